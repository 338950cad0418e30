// The page: its sections, from the JSON in #data. With `simulation` in the data nothing was measured: a device was
// simulated from its table, and the texts say so.

const section = (id, title, text, ...content) => h("section", { id, "aria-labelledby": `${id}-title` },
    h("header", null, h("h2", { id: `${id}-title` }, title), text && h("p", null, text)), content);

// Simulated time may be weeks.
function stretch(s) {
    if (!isNumber(s)) return "some time";
    if (s < 120) return `${number(s)} s`;
    if (s < 7200) return `${number(s / 60)} min`;
    return s < 172800 ? `${number(s / 3600)} h` : `${number(s / 86400)} days`;
}

// The sentence on top. It names an emulated processor that the best policy used: such a gain is not a measurement.
function claim({ data, best, base, policies }) {
    if (!best) return ["No run was completed."];
    const name = h("em", null, best.name);
    if (data.simulation) return [`Simulated on ${data.simulation.device}: `, name,
        policies.length > 1 ? " did best, with" : " reached",
        ` a normalized throughput of ${figure(best.normalized?.median)}`,
        best.miss?.median > MISS_LIMIT ? `, but misses ${percent(best.miss.median)} of a model's deadlines.` : "."];
    const help = best.emulated.length ? `With the emulated ${best.emulated.map((e) => e.name).join(", ")}, ` : "";
    const ratio = best.normalized?.median / base?.normalized?.median;
    if (best === base && policies.length > 1) return ["Nothing here did better than ", name, "."];
    if (best === base || !isNumber(ratio)) return [help, name,
        ` reached a normalized throughput of ${figure(best.normalized?.median)}.`];
    const kept = best.miss && best.miss.median <= MISS_LIMIT && base.miss && base.miss.median > MISS_LIMIT;
    const times = ratio.toFixed(2), other = h("span", { class: base.name.length < 20 ? "nowrap" : null }, base.name);
    const missed = best.miss && best.miss.median > MISS_LIMIT;
    const end = kept ? " and keeps its deadlines."
        : missed ? `, but misses ${percent(best.miss.median)} of a model's deadlines.` : ".";
    if (times === "1.00" || ratio < 1) {
        const work = times === "1.00" ? "the same work as" : `${times} times the work of`;
        return [help, name, kept ? ` keeps its deadlines, which ${base.name} does not, and does ${work} it.`
            : ` did best, with ${work} ${base.name}.`];
    }
    return [help, name, ` does ${times} times the work of `, other, end];
}

function tile(title, best, base, other, format, text) {
    if (!best) return null;
    return h("div", { class: "tile" }, h("h2", null, title), h("div", { class: "figure" }, format(best.median)),
        base && h("p", null, `${other.name}: `, h("b", null, format(base.median))), h("p", null, text));
}

function headline(report) {
    const { data, best, base, models, tight, deadline, emulated } = report, { machine, workload } = data;
    const other = base && base !== best ? base : null, due = deadline.get(tight);
    const { simulation } = data;
    const ran = [`${plural(models.length, "model")} at once`,
        workload.name && workload.name !== data.title && `workload ${workload.name}`,
        simulation ? `${plural(report.policies.length, "policy", "policies")}, requests of ${stretch(workload.seconds)}`
            : `${plural(report.policies.length, "policy", "policies")}, ${plural(report.rounds, "round")}`
                + (isNumber(workload.seconds) ? ` of ${number(workload.seconds)} s` : ""),
        machine.cpu && ["on " + machine.cpu, isNumber(machine.cores) && plural(machine.cores, "core"),
            isNumber(machine.memory_gb) && `${number(machine.memory_gb)} GB`].filter(Boolean).join(", ")];
    const worst = best && [...best.perModel].filter(([, m]) => m.miss)
        .sort((a, b) => b[1].miss.median - a[1].miss.median)[0];
    return h("section", { id: "headline", "aria-label": "The result" },
        h("p", { class: "claim" }, claim(report)),
        h("p", { class: "ran" }, `${ran.filter(Boolean).join("; ")}.`),
        simulation && h("p", { class: "notice" }, h("b", null, "A simulation. "),
            `No model ran: the scheduler met these requests in virtual time on ${simulation.device}, `,
            "where a run takes what the device table says and what the options of the command add."),
        emulated.size > 0 && h("p", { class: "notice" }, h("b", null, `Emulated: ${[...emulated].join(", ")}. `),
            "No such processor ran anything: its runs take the time a table says, ",
            "so what policies gain by it is an estimate."),
        best && h("div", { class: "tiles" },
            tile("Normalized throughput", best.normalized, other?.normalized, other, figure,
                simulation ? "1 is as much work as one model alone does where it is fastest."
                    : "1 is as much work as one model does alone."),
            tile("Deadlines missed", best.miss, other?.miss, other, percent, worst && worst[1].miss.median > 0
                ? `In ${worst[0]}, which misses most.` : "No model misses any."),
            !best.miss && tile("Least-served model", best.least, other?.least, other, percent,
                "Of the rate that it reaches alone."),
            tile(`p99 latency of ${tight}`, best.perModel.get(tight)?.p99, other?.perModel.get(tight)?.p99, other,
                (x) => `${figure(x)} ms`,
                due ? `Its deadline is ${ms(due)}${deadline.size > 1 ? ", the tightest here" : ""}.`
                    : "99 of 100 requests are answered within it.")));
}

function profileTable({ data, models, emulated }) {
    const batches = [...new Set(data.profile.map((r) => r.batch))].sort((a, b) => a - b);
    const known = [...new Set([...models, ...data.profile.map((r) => r.model)])]
        .filter((m) => data.profile.some((r) => r.model === m));
    return h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Profile" },
        h("table", { class: "profile", id: "costs" },
        h("caption", { class: "hidden-text" }, "Latency of a run by model, processor and batch"),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "model"), h("th", { scope: "col" }, "processor"),
            batches.map((b) => h("th", { scope: "col" }, `batch ${b}`)))),
        known.map((model) => {
            const rows = data.profile.filter((r) => r.model === model && isNumber(r.latency_ms));
            const least = Math.min(...rows.map((r) => r.latency_ms / r.batch));
            const processors = [...new Set(rows.map((r) => r.processor))];
            return h("tbody", null, processors.map((p, i) => h("tr", null,
                i === 0 && h("th", { scope: "rowgroup", rowspan: processors.length },
                    h("span", { class: "modelname" }, models.includes(model) && swatch(models.indexOf(model)), model)),
                h("th", { scope: "row" }, p, " ", emulated.has(p) && emulatedBadge()),
                batches.map((b) => {
                    const row = rows.find((r) => r.processor === p && r.batch === b);
                    if (!row) return h("td", { class: "muted" }, "\u2013");
                    const each = row.latency_ms / b;
                    return h("td", { class: each === least ? "fastest" : null, "data-value": row.latency_ms },
                        ms(row.latency_ms),
                        b > 1 && h("span", { class: "each" }, `${ms(each)} each`));
                }))));
        })));
}

function method({ data, rounds, policies, deadline, tight }) {
    const { machine, workload, simulation } = data;
    const entry = (term, ...value) => [h("dt", null, term), h("dd", null, value)];
    const lines = (items) => h("ul", null, items.map((i) => h("li", null, i)));
    const short = policies.filter((p) => p.runs.length < rounds).map((p) => p.name);
    const problems = data.runs.filter((r) => r.problem).map((r) => `${r.policy}, round ${r.round}: ${r.problem}`);
    return h("div", { class: "card" }, h("dl", null,
        data.command && entry("Command", h("pre", null, data.command)),
        simulation && entry("Device", h("b", null, simulation.device), `, as ${simulation.table} describes it`),
        simulation && entry("Simulation", `Seed ${number(simulation.seed)}, objective ${simulation.objective}. `,
            "The scheduler and its policies are those that serve; only time is computed. ",
            "Every policy met the same workload, once, and went on until all that was asked was served. ",
            "What a request spends outside of runs is taken to be nothing."),
        entry("Versions", [data.cosrel && `cosrel ${data.cosrel}`,
            data.onnxruntime && `ONNX Runtime ${data.onnxruntime}`].filter(Boolean).join(", ")),
        !simulation && entry("Machine", [machine.cpu, isNumber(machine.cores) && plural(machine.cores, "core"),
            isNumber(machine.memory_gb) && `${number(machine.memory_gb)} GB memory`, machine.os,
            machine.kernel && `kernel ${machine.kernel}`].filter(Boolean).join(", ")),
        data.processors.length > 0 && entry("Processors",
            lines(data.processors.map((p) => [h("b", null, p.name), " ", p.emulated && [emulatedBadge(), " "],
            [p.kind, p.provider, p.description].filter(Boolean).join(", ")]))),
        entry("Workload", workload.name || "",
            isNumber(workload.seconds)
                ? `, ${simulation ? stretch(workload.seconds) : `${number(workload.seconds)} s a run`}` : "",
            lines(list(workload.streams).map((s) => [h("b", null, s.model), ` ${streamText(s)}`]))),
        !simulation && entry("Rounds", `The policies ran in turn, ${plural(rounds, "round")}`,
            data.rounds > rounds ? ` of ${number(data.rounds)} asked for` : "",
            ". Figures are medians over the rounds; the small figures and the thin lines are the least ",
            "and the greatest.",
            short.length > 0 && ` Fewer rounds were completed by ${short.join(", ")}.`),
        entry("Best", `First come the policies that miss at most ${percent(MISS_LIMIT)} of any model's deadlines, `,
            "those with the highest normalized throughput first; then the others, fewest misses first.",
            deadline.size > 0 && ` Throughputs within ${percent(EQUAL_WORK)} of the highest count as equal: of ` +
                `those the lowest p99 of ${tight} is best.`),
        entry("Normalized throughput",
            "The sum over the models of the rate reached divided by the rate of that model alone ",
            simulation ? "on the processor where it is fastest, request after request." : "on all cores."),
        problems.length > 0 && entry("Problems", lines(problems)),
        data.notes.length > 0 && entry("Notes", lines(data.notes))));
}

function key(report) {
    return h("p", { class: "key" }, h("span", null, h("i"), "p50"), h("span", null, h("i", { class: "p99" }), "p99"),
        report.deadline.size > 0 && [h("span", null, h("i", { class: "due" }), "deadline"),
            h("span", null, h("i", { class: "over" }), "requests beyond it")],
        h("span", null, "height: square root of the share, each row to its own peak"));
}

// All runs of an hour would make a page of many megabytes.
const shownText = ({ runs_shown: most, from_middle: middle }) => "Runs on every processor, on a common time axis: the "
    + `first ${number(most)} or so of each policy${middle ? ", from the middle of the time on" : ""}.`;

function page(raw) {
    const report = analyse(raw), { data, models } = report;
    const title = data.title || "Benchmark";
    document.title = `${title} \u00b7 Cosrel`;
    const parts = [["overall-section", "Comparison"], ["timeline", "Timeline"], ["latencies", "Models"],
        ["profile", "Profile"], ["method", "Method"]];
    $("top").append(h("div", { class: "brand" }, h("b", null, data.simulation ? "cosrel sim" : "cosrel bench"),
        h("span", null, String(data.created || "").replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?Z$/, "$1 $2 UTC")),
        h("nav", { "aria-label": "Sections" }, parts.filter(([id]) => id !== "profile" || data.profile.length)
            .filter(([id]) => report.best || !["overall-section", "timeline", "latencies"].includes(id))
            .map(([id, text]) => h("a", { href: `#${id}` }, text)))), h("h1", null, title));
    const main = $("main"), timeline = new Timeline(report);
    main.replaceChildren(headline(report));
    if (report.best) {
        main.append(section("overall-section", "Policies compared",
            ["Best first. ", report.deadline.size
                ? `Misses are those of the model that misses most. Dashed lines: a throughput of 1, misses of ${
                    percent(MISS_LIMIT)}, the deadline. ` : "Dashed line: a throughput of 1. ",
            !data.simulation && "Small figures and thin lines: the least and the greatest of the rounds."],
            h("div", { class: "card" }, overallTable(report))));
        main.append(section("timeline", "What ran where", data.simulation ? shownText(data.simulation)
            : "Every run on every processor, on a common time axis.",
            h("div", { class: "card" }, timeline.build())));
        main.append(section("latencies", "Model by model",
            data.simulation ? "How each model fared under each policy, from the arrival of each request to its answer."
                : "How each model fared under each policy: rates and latencies as its client saw them.",
            key(report), models.map((m, i) => modelCard(report, m, i))));
    }
    if (data.profile.length) main.append(section("profile", "What a run costs",
        `${data.simulation ? "From the device table" : "Measured before the comparison, one run at a time"}. `
            + "Bold: least time per request.", profileTable(report)));
    main.append(section("method", data.simulation ? "How it was simulated" : "How it was measured", null,
        method(report)));
    main.append(h("footer", null, `Made by cosrel ${data.cosrel || ""}. `,
        "This file is complete in itself and loads nothing."));
    if (timeline.stage) timeline.start();
}

try {
    page(JSON.parse($("data").textContent));
} catch (error) {
    $("main").append(h("p", { class: "notice" }, `This report could not be drawn: ${error.message}`));
    throw error;
}
