// Puts the parts together: the stream fills the state; one loop, a frame at a time, draws what is due.
import { $, h, say, count, ms, rate, percent, figure, lasting, clockTime } from "./base.js";
import { readTheme } from "./colours.js";
import { State } from "./state.js";
import { Stream } from "./stream.js";
import { Timeline } from "./timeline.js";
import { Charts } from "./charts.js";
import { Tables } from "./tables.js";
import { Decisions } from "./decisions.js";
import { Objective } from "./objective.js";

const FIGURES_MS = 500, WORDS_MS = 5000, DECISIONS_MS = 1000;
const HIDDEN_MS = 30000; // a page that nobody sees lets the server rest
const still = matchMedia("(prefers-reduced-motion: reduce)");

const state = new State();
const view = {
    selected: null, // a model that is brought out
    paused: false,
    shownAt: 0, // the server's time that is drawn
    select(model) {
        this.selected = this.selected === model ? null : model;
        for (const b of document.querySelectorAll("[data-model]")) {
            b.setAttribute("aria-pressed", String(Number(b.dataset.model) === this.selected));
        }
        timeline.dirty = true;
        charts.ask();
    },
    setPaused(paused) {
        if (this.paused === paused) return;
        this.paused = paused;
        $("pause").setAttribute("aria-pressed", String(paused));
        $("pause").textContent = paused ? "Go on" : "Pause";
        timeline.dirty = true;
        showStatus();
    },
};

readTheme();
const timeline = new Timeline(state, view);
const charts = new Charts(state, view, $("charts"));
const tables = new Tables(state, view);
const decisions = new Decisions(state);
const objective = new Objective(state, () => connection.state === "refused" && stream.start());

// ---- The connection ----

let connection = { state: "connecting" };

function showStatus() {
    const pill = $("connection");
    let kind = connection.state, text = "connecting\u2026";
    if (kind === "lost") {
        text = `connection lost since ${clockTime(connection.since)}: ${connection.why}; trying again`;
    } else if (kind === "refused") {
        kind = "lost";
        text = "a token is needed: enter it below, under Objective";
    } else if (view.paused) {
        kind = "paused";
        text = "paused";
    } else if (kind === "live") {
        text = "live";
    }
    pill.className = `pill ${kind}`;
    say(pill, text);
}

const stream = new Stream("/live/events", () => objective.headers(), {
    status(now) {
        connection = now;
        document.body.classList.toggle("lost", now.state === "lost");
        showStatus();
    },
    hello(hello) {
        if (!state.greet(hello)) return;
        view.selected = null;
        timeline.begin();
        charts.begin();
        tables.begin();
        decisions.begin();
        objective.begin();
        $("about").textContent = `Cosrel ${hello.cosrel}, started ${new Date(hello.started_unix_ms).toLocaleString()}`;
    },
    snapshot(data) { state.take(data, performance.now()); },
});

// ---- The figures on top ----

const TILES = [["answered", "Answered"], ["waiting", "Waiting"], ["miss", "Deadlines missed"], ["p99", "Slowest p99"],
    ["power", "Power"], ["policy", "Policy"], ["objective", "Objective"], ["up", "Up"]];
const tiles = Object.fromEntries(TILES.map(([key, title]) => {
    const value = h("dd", null, "\u2013"), note = h("dd", { class: "note" }, "");
    $("tiles").append(h("div", { class: "tile", id: `tile-${key}` }, h("dt", null, title), value, note));
    return [key, { value, note }];
}));

function tile(key, value, note, late) {
    say(tiles[key].value, value);
    say(tiles[key].note, note ?? "");
    tiles[key].value.classList.toggle("late", Boolean(late));
}

function slowest() {
    let best = -1, most = -1;
    state.last.models.forEach((c, i) => {
        if (c[state.m.p99_ms] !== null && c[state.m.p99_ms] > most) { most = c[state.m.p99_ms]; best = i; }
    });
    return best;
}

function updateTiles() {
    const { last, m, hello } = state;
    const due = state.allRates("with_deadline"), missed = state.allRates("late", "dropped");
    const failed = last.models.reduce((sum, c) => sum + c[m.failed], 0), slow = slowest(), power = state.power();
    const total = last.models.reduce((sum, c) => sum + c[m.completed], 0);
    tile("answered", `${rate(state.allRates("completed"))} /s`,
        `${count(total)} in all${failed ? `, ${count(failed)} failed` : ""}`);
    tile("waiting", count(state.waiting()), `of ${hello.models.length} ${hello.models.length === 1 ? "model" : "models"}`);
    tile("miss", due ? percent(missed / due) : "\u2013", due ? "of the last 2 s" : "nothing with a deadline now",
        due && missed / due > 0.001);
    tile("p99", slow < 0 ? "\u2013" : ms(last.models[slow][m.p99_ms]),
        slow < 0 ? "no answers now" : hello.models[slow].name);
    tile("power", power.watts === null ? "\u2013" : `${figure(power.watts)} W`,
        power.watts === null ? "no sensor, no table" : power.measured ? "measured, all of it" : "by device table");
    tile("policy", last.policy, `${count(last.decided)} decisions`);
    tile("objective", last.objective || "own weights", last.objective ? "" : last.weights.map(figure).join(" / "));
    tile("up", lasting(last.t_ms / 1000), state.lost ? `${count(state.lost)} runs not drawn` : "");
}

// ---- The loop ----

let figuresAt = 0, wordsAt = 0, decisionsAt = 0;

function frame(now) {
    requestAnimationFrame(frame);
    if (!state.last || state.offset === null) return;
    if (!view.paused) {
        const lost = connection.state === "lost";
        // Without a connection time stands still: nothing is known of what goes on.
        const t = lost ? Math.min(state.shownTime(now), state.last.t_ms) : state.shownTime(now);
        if (!still.matches || Math.abs(t - view.shownAt) >= 1000) view.shownAt = t;
        else timeline.skip = true;
    }
    if (timeline.dirty || (!view.paused && !timeline.skip)) timeline.draw(view.shownAt);
    timeline.skip = false;
    charts.drawOne();
    if (view.paused) return;
    if (now - figuresAt >= FIGURES_MS) {
        figuresAt = now;
        updateTiles();
        tables.update();
        objective.update();
        charts.ask();
    } else if (now - decisionsAt >= DECISIONS_MS) {
        decisionsAt = now;
        decisions.update();
    } else if (now - wordsAt >= WORDS_MS) {
        wordsAt = now;
        timeline.describe();
    }
}

// ---- Switches ----

const THEMES = ["system", "light", "dark"];

function setTheme(name) {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme-name").textContent = name;
    try { localStorage.setItem("cosrel-theme", name); } catch { /* not allowed: then not kept */ }
    restyle();
}

function restyle() {
    readTheme();
    timeline.restyle();
    charts.restyle();
}

let theme = "system";
try { theme = localStorage.getItem("cosrel-theme") ?? "system"; } catch { /* likewise */ }
setTheme(THEMES.includes(theme) ? theme : "system");
$("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
$("pause").addEventListener("click", () => view.setPaused(!view.paused));

let hiddenTimer;
document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => stream.stop(), HIDDEN_MS);
    else stream.start();
});
addEventListener("pagehide", () => stream.stop());
addEventListener("pageshow", (e) => e.persisted && stream.start());

stream.start();
requestAnimationFrame(frame);
