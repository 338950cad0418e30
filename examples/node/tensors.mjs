// What the Node.js examples share: random tensors to ask with, and a line about each one that comes back.

// A typed array holds a tensor as the protocol's raw data wants it: without gaps, little-endian (as every machine that
// Node.js runs on today). FP16 has no typed array; its bits are kept in Uint16Array.
const ARRAYS = {
    BOOL: Uint8Array, INT8: Int8Array, UINT8: Uint8Array, INT16: Int16Array, UINT16: Uint16Array, INT32: Int32Array,
    UINT32: Uint32Array, INT64: BigInt64Array, UINT64: BigUint64Array, FP16: Uint16Array, FP32: Float32Array,
    FP64: Float64Array,
};
const HALF = 0x3800; // 0.5 as FP16

function randomValue(datatype) {
    if (datatype === "FP16") return HALF;
    if (datatype.startsWith("FP")) return Math.random();
    const small = Math.floor(Math.random() * (datatype === "BOOL" ? 2 : 100));
    return datatype.endsWith("INT64") ? BigInt(small) : small;
}

// For an input as the model's metadata describes it: { input: its name, type and shape, data: its bytes }. Dimensions
// that the model leaves open (-1) become `open`.
export function randomTensor({ name, datatype, shape }, open = 1) {
    if (!ARRAYS[datatype]) throw new Error(`input ${name}: this example makes no ${datatype}`);
    const dims = shape.map((d) => (d < 0 ? open : d));
    const values = new ARRAYS[datatype](dims.reduce((a, b) => a * b, 1)).map(() => randomValue(datatype));
    return { input: { name, datatype, shape: dims }, data: Buffer.from(values.buffer) };
}

// The numbers in raw data; copied, because a typed array must begin at a multiple of its element's size.
export function valuesOf(datatype, data) {
    const type = ARRAYS[datatype];
    return type && datatype !== "FP16" ? Array.from(new type(Uint8Array.from(data).buffer), Number) : null;
}

// "output FP32[1,12]: highest 3 (0.113), ..." where it looks like scores of classes, else the mean.
export function describe({ name, datatype, shape }, values) {
    const what = `${name} ${datatype}[${shape}]`;
    if (!values) return `${what}: not shown`;
    if (values.length >= 5 && values.length === shape.at(-1)) {
        const best = values.map((value, i) => [value, i]).sort((a, b) => b[0] - a[0]).slice(0, 3);
        return `${what}: highest ${best.map(([value, i]) => `${i} (${value.toPrecision(3)})`).join(", ")}`;
    }
    return `${what}: mean ${(values.reduce((a, b) => a + b, 0) / values.length).toPrecision(3)}`;
}
