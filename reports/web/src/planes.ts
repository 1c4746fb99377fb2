// Decodes the rows of the heat maps; the encoding is stated in reports/render/share_plane.h.

const alphabet = "!#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}";
const base = alphabet.length;
const missing = base * base - 1;
const largest = missing - 1;

const digit = new Uint8Array(128);
for (let i = 0; i < base; ++i) digit[alphabet.charCodeAt(i)] = i;

function tableOf(lowest: number, highest: number): Float32Array {
    const values = new Float32Array(missing + 1);
    for (let code = 1; code <= largest; ++code)
        values[code] = 2 ** (lowest + ((code - 1) / (largest - 1)) * (highest - lowest));
    values[missing] = NaN;
    return values;
}

const shares = tableOf(-40, 0);
const magnitudes = tableOf(-150, 130);

function decode(text: string | undefined, columns: number, table: Float32Array): Float32Array {
    const row = new Float32Array(columns);
    if (text === undefined) return row;
    const code = (at: number) => digit[text.charCodeAt(at)]! * base + digit[text.charCodeAt(at + 1)]!;
    let column = 0;
    for (let at = 0; at < text.length && column < columns;) {
        if (text[at] === '~') {
            const end = column + code(at + 3);
            row.fill(table[code(at + 1)]!, column, end);
            column = end;
            at += 5;
        } else {
            row[column++] = table[code(at)]!;
            at += 2;
        }
    }
    return row;
}

/** Shares in [0, 1] per column; NaN where not traced; all zero where the plane is left out. */
export const decodeShares = (text: string | undefined, columns: number) => decode(text, columns, shares);
/** Magnitudes per column; NaN where not traced. */
export const decodeMagnitudes = (text: string | undefined, columns: number) => decode(text, columns, magnitudes);
