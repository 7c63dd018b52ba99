import { data, Evaluator, Lexer, Parser } from "@actions/expressions";

/** What expressions can ask for, by the name of the context: `github`, `secrets`, `steps`, … */
export type Contexts = Readonly<Record<string, unknown>>;

/** How it went so far, for `success()` and its kin. Nothing is ever cancelled here. */
export type Status = "success" | "failure" | "skipped";

/**
 * GitHub gives an empty text for a name nobody knows. In a workflow that others copy that is a
 * mistake, so here it is one.
 */
class Known extends data.Dictionary {
  override get(key: string): data.ExpressionData {
    const value = super.get(key);
    if (value !== undefined) return value;
    const names = this.pairs().map((pair) => pair.key);
    throw new Error(`an expression asks for ${key}; known are ${names.join(", ") || "none"}`);
  }
}

/** Replaces every `${{ … }}` in a text by what it comes to, as text. */
export function expand(text: string, contexts: Contexts): string {
  return text.replaceAll(/\$\{\{(.*?)\}\}/gs, (_, expression: string) =>
    evaluate(expression, contexts).coerceString(),
  );
}

/** What a value of the document comes to: a text that is one expression may become anything. */
export function whatComesOf(value: unknown, contexts: Contexts): unknown {
  if (typeof value !== "string") return value;
  const whole = /^\$\{\{(.*)\}\}$/s.exec(value.trim());
  if (whole === null || whole[1]!.includes("}}")) return expand(value, contexts);
  return JSON.parse(JSON.stringify(evaluate(whole[1]!, contexts), data.replacer));
}

/** Whether an `if:` holds. Without a function that asks how it went it holds only after success. */
export function holds(condition: unknown, contexts: Contexts, status: Status): boolean {
  const expression = String(condition ?? "success()").replace(/^\s*\$\{\{(.*)\}\}\s*$/s, "$1");
  const asked = /\b(success|failure|always|cancelled)\s*\(/i.test(expression);
  const whole = asked ? `!!(${expression})` : `success() && !!(${expression})`;
  return evaluate(whole, contexts, status).coerceString() === "true";
}

function evaluate(expression: string, contexts: Contexts, status?: Status): data.ExpressionData {
  const { tokens } = new Lexer(expression).lex();
  const asking = status === undefined ? [] : statusFunctions(status);
  const tree = new Parser(tokens, Object.keys(contexts), asking).parse();
  const functions = new Map(asking.map((one) => [one.name, one]));
  return new Evaluator(tree, known(contexts), functions).evaluate();
}

function statusFunctions(status: Status) {
  const answers = {
    success: status === "success",
    failure: status === "failure",
    always: true,
    cancelled: false,
  };
  return Object.entries(answers).map(([name, answer]) => ({
    ...{ name, minArgs: 0, maxArgs: 0 },
    call: () => new data.BooleanData(answer),
  }));
}

/** Contexts, and all that is in them, in the evaluator's own types. */
function known(contexts: Contexts): Known {
  return JSON.parse(JSON.stringify(contexts), (key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? new Known(...Object.entries(value).map(([name, inner]) => ({ key: name, value: inner })))
      : data.reviver(key, value),
  );
}
