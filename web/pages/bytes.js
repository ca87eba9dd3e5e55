// Bytes as people read and write them.

// parseHex turns "48 65 6c:6C,0x6f" into bytes. It throws an Error that says
// what is wrong.
export function parseHex(text) {
  const digits = text.replace(/0x/gi, "").replace(/[\s,:-]/g, "");
  const wrong = digits.match(/[^0-9a-f]/iu);
  if (wrong) throw new Error(`“${wrong[0]}” is not a hex digit: use 0 to 9 and a to f`);
  if (digits.length % 2) throw new Error("that is an odd number of hex digits: each byte takes two");
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

// formatHex is the way back: "48 65 6c 6c 6f".
export function formatHex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ");
}

// formatSize gives "5 B", "1.5 KiB", "32 MiB".
export function formatSize(n) {
  if (n < 1024) return `${n} B`;
  const [unit, size] = n < 1024 ** 2 ? ["KiB", n / 1024] : ["MiB", n / 1024 ** 2];
  return `${Number(size.toFixed(size < 10 ? 1 : 0))} ${unit}`;
}

// utf8Length is how many bytes a text takes on the wire.
export function utf8Length(text) {
  return new TextEncoder().encode(text).length;
}
