// Makes a page from a JSON file, as `cosrel bench --report` does:
//   node web/report/assemble.js run.json report.html
"use strict";
const fs = require("node:fs");
const path = require("node:path");

// In this order; apps/CMakeLists.txt names the same.
const SCRIPTS = ["base.js", "analyse.js", "compare.js", "timeline.js", "report.js"];

// One pass over the template: text that was filled in is never searched again, so that data which happens to
// hold a placeholder stays data.
function assemble(json) {
    const read = (name) => fs.readFileSync(path.join(__dirname, name), "utf8");
    const parts = { css: read("report.css"), js: SCRIPTS.map(read).join(""), data: json.replace(/</g, "\\u003c") };
    return read("report.html").replace(/\/\*\{(css|js|data)\}\*\//g, (_, name) => parts[name]);
}

module.exports = { assemble };

if (require.main === module) {
    const [from, to] = process.argv.slice(2);
    if (!from || !to) {
        console.error("assemble.js: give a JSON file and the page to write, as in: assemble.js run.json report.html");
        process.exit(2);
    }
    const json = fs.readFileSync(from, "utf8");
    JSON.parse(json);
    fs.writeFileSync(to, assemble(json));
}
