import {
  ApiDeclaredItem,
  ApiDocumentedItem,
  type ApiItem,
  ApiItemContainerMixin,
  ApiItemKind,
  type ApiPackage,
  ApiParameterListMixin,
} from "@microsoft/api-extractor-model";
import { type DocNode, markdownOf } from "./doc-comment.ts";

const HEAD = `# API reference

Everything that \`import { … } from "restbackup"\` gives. How it is used stands in the
[guide to the library](library.md). Made from the docstrings of the sources by \`npm run docs:api\`.
`;

const CHAPTERS: readonly (readonly [string, readonly ApiItemKind[]])[] = [
  ["Functions", [ApiItemKind.Function, ApiItemKind.Variable]],
  ["Classes", [ApiItemKind.Class]],
  ["Types", [ApiItemKind.Interface, ApiItemKind.TypeAlias]],
];

/** The page: for every export its signature, its docstring and its members, always in one order. */
export function referenceOf(api: ApiPackage): string {
  const { members } = api.entryPoints[0]!;
  const names = new Set(members.map(({ displayName }) => displayName));
  const anchors = new Set([...names].map((name) => name.toLowerCase()));
  if (anchors.size < members.length) throw new Error("two exports would have one anchor");
  const addressOf = (name: string) => (names.has(name) ? `#${name.toLowerCase()}` : undefined);
  const text = (node: DocNode | undefined) => markdownOf(node, addressOf);
  const chapters = CHAPTERS.map(([title, kinds]) => {
    const items = members.filter(({ kind }) => kinds.includes(kind));
    const contents = items.map(({ displayName: name }) => `[${name}](${addressOf(name)})`);
    return [`## ${title}`, contents.join(" · "), ...items.map((item) => entry(item, text))];
  });
  const listed = chapters.reduce((sum, chapter) => sum + chapter.length - 2, 0);
  if (listed !== members.length) throw new Error("there is an export of a kind with no chapter");
  return `${[HEAD.trim(), ...chapters.flat()].join("\n\n")}\n`;
}

type Text = (node: DocNode | undefined) => string;

function entry(item: ApiItem, text: Text): string {
  return blocks([`### ${item.displayName}`, signature(item), ...description(item, text)]);
}

function blocks(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The declaration as it stands in the type declarations; of what has members, the first line. */
function signature(item: ApiItem): string {
  return `\`\`\`ts\n${declaration(item)}\n\`\`\``;
}

function declaration(item: ApiItem): string {
  if (!(item instanceof ApiDeclaredItem)) return item.displayName;
  return item.excerpt.text.trim().replace(/^export (declare )?/, "");
}

function description(item: ApiItem, text: Text): string[] {
  const comment = item instanceof ApiDocumentedItem ? item.tsdocComment : undefined;
  const custom = (tag: string) =>
    (comment?.customBlocks ?? [])
      .filter(({ blockTag }) => blockTag.tagName === tag)
      .map(({ content }) => text(content));
  return [
    text(comment?.summarySection),
    text(comment?.remarksBlock?.content),
    parameters(item, text),
    titled("Returns", text(comment?.returnsBlock?.content)),
    ...custom("@throws").map((errors) => titled("Throws", errors)),
    ...custom("@example").map((example) => blocks(["Example:", example])),
    ...members(item, text),
  ];
}

function titled(title: string, content: string): string {
  return content === "" ? "" : `${title} ${content}`;
}

function parameters(item: ApiItem, text: Text): string {
  if (!ApiParameterListMixin.isBaseClassOf(item)) return "";
  return item.parameters
    .map(({ name, tsdocParamBlock }) => ({ name, said: text(tsdocParamBlock?.content) }))
    .filter(({ said }) => said !== "")
    .map(({ name, said }) => point(name, said))
    .join("\n");
}

function point(code: string, said: string): string {
  const indented = said.replaceAll(/\n(?=.)/g, "\n  ");
  return said === "" ? `- \`${code}\`` : `- \`${code}\`: ${indented}`;
}

/** Properties as a list; methods, of which there is more to say, under headings of their own. */
function members(item: ApiItem, text: Text): string[] {
  if (!ApiItemContainerMixin.isBaseClassOf(item)) return [];
  const isProperty = ({ kind }: ApiItem) =>
    kind === ApiItemKind.Property || kind === ApiItemKind.PropertySignature;
  const properties = item.members
    .filter(isProperty)
    .map((member) => point(property(member), blocks(description(member, text))));
  const methods = item.members
    .filter((member) => !isProperty(member))
    .map((member) =>
      blocks([`#### ${title(item, member)}`, signature(member), ...description(member, text)]),
    );
  return [properties.join("\n"), ...methods];
}

function property(member: ApiItem): string {
  return declaration(member)
    .replace(/;$/, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(" | undefined", "");
}

function title(item: ApiItem, member: ApiItem): string {
  const isConstructor = member.kind === ApiItemKind.Constructor;
  return isConstructor ? `new ${item.displayName}` : `${item.displayName}.${member.displayName}`;
}
