// The connection to the server: server-sent events, read with fetch, which unlike EventSource says why it was refused.
// It comes back by itself, and notices a server that has gone silent.
const SILENCE_MS = 4000; // chosen: forty snapshots missed
const RETRY_MS = [400, 800, 1500, 3000, 5000];

export class Stream {
    // on: { hello(data), snapshot(data), status({ state, since, why }) }; headers(): of the request, for the token
    constructor(url, headers, on) {
        this.url = url;
        this.headers = headers;
        this.on = on;
        this.attempts = 0;
        this.round = 0;
        this.lostAt = null;
    }

    start() {
        if (this.abort) return;
        this.connect(++this.round);
    }

    stop() {
        this.round++;
        clearTimeout(this.timer);
        clearTimeout(this.watchdog);
        this.abort?.abort();
        this.abort = null;
    }

    async connect(round) {
        this.abort = new AbortController();
        if (!this.lostAt) this.on.status({ state: "connecting" });
        let why = "the server has gone";
        try {
            this.watch();
            const answer = await fetch(this.url, { signal: this.abort.signal, cache: "no-store",
                headers: this.headers() });
            if (answer.ok) await this.read(answer.body.getReader(), round);
            else if (answer.status === 401 || answer.status === 403) { this.refuse(round); return; }
            else why = await answer.json().then((j) => j.error, () => `status ${answer.status}`);
        } catch (error) {
            if (error?.name === "AbortError") why = "the server is silent";
        }
        if (round === this.round) this.lose(round, why);
    }

    // No use in trying again with the same token.
    refuse(round) {
        if (round !== this.round) return;
        this.stop();
        this.on.status({ state: "refused" });
    }

    lose(round, why) {
        clearTimeout(this.watchdog);
        this.abort?.abort();
        this.lostAt ??= new Date();
        this.on.status({ state: "lost", since: this.lostAt, why });
        const wait = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)];
        this.timer = setTimeout(() => round === this.round && this.connect(round), wait * (0.8 + 0.4 * Math.random()));
    }

    watch() {
        const abort = this.abort;
        clearTimeout(this.watchdog);
        this.watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    }

    async read(reader, round) {
        const decoder = new TextDecoder();
        let rest = "";
        for (;;) {
            const { done, value } = await reader.read();
            if (done || round !== this.round) return;
            this.watch();
            rest += decoder.decode(value, { stream: true });
            for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) this.take(rest.slice(0, end));
        }
    }

    take(event) {
        const at = event.indexOf("data: ");
        if (at < 0) return;
        const data = JSON.parse(event.slice(at + 6));
        if (!event.startsWith("event: hello")) {
            this.on.snapshot(data);
            return;
        }
        this.attempts = 0;
        this.lostAt = null;
        this.on.hello(data);
        this.on.status({ state: "live" });
    }
}
