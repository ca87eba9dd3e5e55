// Takes comments and indentation out of JavaScript, without touching texts and regular expressions.

/** A slash behind one of these begins a regular expression: an operator, an opening bracket, or a word such as return. */
const beforeRegExp = /(^|[=(,:;!&|?{}[+\-*%<>~^]|\b(return|typeof|case|in|of|void|await|yield|throw))$/;

export function strip(source) {
  let out = "";
  let i = 0;
  const take = (n) => {
    out += source.slice(i, i + n);
    i += n;
  };
  // A text, or a regular expression, up to what ends it.
  const quoted = (end) => {
    take(1);
    for (let inClass = false; i < source.length; ) {
      const c = source[i];
      if (c === "\\") take(2);
      else if (end === "/" && (c === "[" || c === "]")) {
        inClass = c === "[";
        take(1);
      } else if (end === "`" && c === "$" && source[i + 1] === "{") {
        take(2);
        code("}");
      } else {
        take(1);
        if (c === end && !inClass) return;
      }
    }
    throw new Error(`${end} is never closed`);
  };
  const code = (end) => {
    for (let depth = 0; i < source.length; ) {
      const c = source[i];
      const two = source.slice(i, i + 2);
      if (two === "//") i += source.slice(i).search(/\n|$/);
      else if (two === "/*") i = source.indexOf("*/", i) + 2;
      else if (c === '"' || c === "'" || c === "`") quoted(c);
      else if (c === "/" && beforeRegExp.test(out.trimEnd())) quoted("/");
      else {
        take(1);
        if (c === "{") depth++;
        if (c === "}" && depth-- === 0 && end) return;
      }
    }
  };
  code("");
  return out
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .join("\n");
}
