import { registerHooks } from "node:module";

// The package imports its schema as JSON without the attribute that Node wants for it.
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    specifier.endsWith(".min.json")
      ? { ...nextResolve(specifier, context), importAttributes: { type: "json" } }
      : nextResolve(specifier, context),
});
const { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } = await import(
  "@actions/workflow-parser"
);
const { parseAction } = await import("@actions/workflow-parser/actions/action-parser");

/** What GitHub's own parser has against an action.yml; nothing when it is right. */
export function faultsOfAction(name: string, content: string): string[] {
  const { context } = parseAction({ name, content }, new NoOperationTraceWriter());
  return context.errors.getErrors().map(({ message }) => message);
}

/** What GitHub's own parser has against a workflow; nothing when it is right. */
export async function faultsOfWorkflow(name: string, content: string): Promise<string[]> {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (value !== undefined) await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map(({ message }) => message);
}
