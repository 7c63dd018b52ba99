/** What we read of a node of a docstring, as API Extractor parsed it (TSDoc). */
export interface DocNode {
  readonly kind: string;
  getChildNodes(): readonly DocNode[];
  /** Of plain text. */
  readonly text?: string;
  /** Of a code span, and of a fenced block, which has a language too. */
  readonly code?: object | string;
  readonly language?: string;
  /** Of a character that is escaped in the docstring: the character itself. */
  readonly decodedText?: string;
  /** Of a link. */
  readonly linkText?: string | undefined;
  readonly urlDestination?: string | undefined;
  readonly codeDestination?:
    | { readonly memberReferences: readonly { readonly memberIdentifier?: Named | undefined }[] }
    | undefined;
}

interface Named {
  readonly identifier: string;
}

/** Gives the address of an export, or undefined for what is none. */
export type AddressOf = (name: string) => string | undefined;

/** A docstring, or a part of it, as Markdown. */
export function markdownOf(node: DocNode | undefined, addressOf: AddressOf): string {
  return node === undefined ? "" : write(node, addressOf).trim();
}

function write(node: DocNode, addressOf: AddressOf): string {
  switch (node.kind) {
    case "PlainText":
      return node.text ?? "";
    case "SoftBreak":
      return "\n";
    case "CodeSpan":
      return `\`${node.code}\``;
    case "EscapedText":
      return node.decodedText ?? "";
    case "FencedCode":
      return `\`\`\`${node.language}\n${node.code}\`\`\`\n\n`;
    case "LinkTag":
      return link(node, addressOf);
    case "Paragraph":
      return `${children(node, addressOf).trim()}\n\n`;
    default:
      return children(node, addressOf);
  }
}

function children(node: DocNode, addressOf: AddressOf): string {
  return node
    .getChildNodes()
    .map((child) => write(child, addressOf))
    .join("");
}

function link(node: DocNode, addressOf: AddressOf): string {
  if (node.urlDestination !== undefined) {
    return `[${node.linkText ?? node.urlDestination}](${node.urlDestination})`;
  }
  const path = (node.codeDestination?.memberReferences ?? []).map(
    ({ memberIdentifier }) => memberIdentifier?.identifier ?? "",
  );
  const shown = node.linkText ?? `\`${path.join(".")}\``;
  const address = addressOf(path[0] ?? "");
  return address === undefined ? shown : `[${shown}](${address})`;
}
