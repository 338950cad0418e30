// The knob. The token stays in this page's memory: a reload forgets it.
import { $, h } from "./base.js";

const MEANS = {
    latency: "each answer as soon as possible",
    throughput: "as many answers as possible",
    deadline: "as few missed deadlines as possible",
    energy: "as little energy as possible",
    balanced: "some of each",
};

export class Objective {
    // retry(): there is another token, with which the stream may be allowed.
    constructor(state, retry) {
        this.state = state;
        this.form = $("objective");
        this.token = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", onchange: retry });
        this.status = h("p", { class: "small", role: "status", id: "objective-status" });
        this.names = h("fieldset", { class: "objectives" });
        this.note = h("p", { class: "muted small", hidden: true }, "It can be changed here if the server is started with ",
            h("code", null, "--admin-token"), ".");
        this.form.append(this.names, this.note, h("p", { class: "token" }, h("label", { for: "token" }, "Token"), this.token,
            h("button", { type: "submit", class: "primary" }, "Apply")), this.status);
        this.form.addEventListener("submit", (e) => { e.preventDefault(); this.apply(); });
    }

    headers() {
        return this.token.value ? { Authorization: `Bearer ${this.token.value}` } : {};
    }

    begin() {
        const { hello } = this.state;
        this.inputs = hello.objectives.map((name) => h("input", { type: "radio", name: "objective", value: name,
            onchange: () => { this.touched = true; } }));
        this.names.replaceChildren(h("legend", { class: "small muted" }, "What policies that weigh consequences make small"),
            ...hello.objectives.map((name, i) => h("label", null, this.inputs[i], h("span", null, h("b", null, name),
                h("span", { class: "muted" }, ` ${MEANS[name] ?? ""}`)))));
        this.names.disabled = !hello.admin;
        this.note.hidden = hello.admin;
        this.form.querySelector(".token").hidden = !hello.admin;
        this.touched = false;
        this.shown = null;
    }

    update() {
        const { last } = this.state;
        if (!last || last.objective === this.shown || this.touched) return;
        this.shown = last.objective;
        for (const input of this.inputs) input.checked = input.value === this.shown;
    }

    async apply() {
        const chosen = this.inputs?.find((i) => i.checked)?.value;
        if (!chosen) return;
        this.tell("\u2026", "");
        try {
            const answer = await fetch("/live/objective", { method: "POST", body: JSON.stringify({ objective: chosen }),
                headers: { "Content-Type": "application/json", ...this.headers() } });
            const said = await answer.json();
            if (answer.ok) this.tell(`The objective is now ${said.objective}.`, "good");
            else this.tell(`Not changed: ${said.error}.`, "late");
        } catch {
            this.tell("Not changed: the server cannot be reached.", "late");
        }
        this.touched = false;
        this.shown = null;
    }

    tell(text, kind) {
        this.status.className = `small ${kind}`;
        this.status.textContent = text;
    }
}
