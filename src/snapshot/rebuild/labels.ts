import type { JsonObject } from "../github/json.ts";
import { MARK } from "./claim.ts";
import { quotedNote } from "./note.ts";
import type { SnapshotFolder } from "./snapshot-folder.ts";
import type { Target } from "./target.ts";

/** Labels as they were; those that GitHub gives to every new repository go. */
export async function putLabels(target: Target, snapshot: SnapshotFolder): Promise<number> {
  const there = new Map<string, JsonObject>();
  for await (const label of target.items("/labels")) {
    if (label.name !== MARK) there.set(String(label.name).toLowerCase(), label);
  }
  let count = 0;
  for await (const { name, color, description } of snapshot.lines("labels/labels")) {
    const key = String(name).toLowerCase();
    const found = there.get(key);
    const fields = { color, description: description ?? "" };
    if (found === undefined) await target.change("POST", "/labels", { name, ...fields });
    else if (!isSame(found, { name, ...fields })) {
      await target.change("PATCH", "/labels/{name}", {
        ...{ name: found.name, new_name: name },
        ...fields,
      });
    }
    there.delete(key);
    count++;
  }
  for (const { name, default: given } of there.values()) {
    if (given === true) await target.change("DELETE", "/labels/{name}", { name });
  }
  return count;
}

function isSame(found: JsonObject, wanted: JsonObject): boolean {
  const { name, color, description } = found;
  return (
    name === wanted.name && color === wanted.color && (description ?? "") === wanted.description
  );
}

/**
 * Milestones with their numbers: where one is not there any more, one is made and removed again.
 * Gives the numbers that there are now.
 */
export async function putMilestones(
  target: Target,
  snapshot: SnapshotFolder,
): Promise<ReadonlySet<number>> {
  let last = 0;
  const fillers: number[] = [];
  for await (const one of target.items("/milestones", { state: "all" })) {
    last = Math.max(last, Number(one.number));
    if (isFiller(one)) fillers.push(Number(one.number));
  }
  const numbers = new Set<number>();
  for await (const milestone of snapshot.lines("milestones/milestones")) {
    const number = Number(milestone.number);
    numbers.add(number);
    for (let next = last + 1; next <= number; next++) {
      const fields = next === number ? fieldsOf(milestone) : filler(next);
      const made = await target.change("POST", "/milestones", fields);
      target.expect(made, next, "milestone");
      if (next !== number) fillers.push(next);
      last = next;
    }
  }
  for (const number of fillers) {
    await target.change("DELETE", "/milestones/{milestone_number}", { milestone_number: number });
  }
  return numbers;
}

function fieldsOf({ title, state, description, due_on }: JsonObject): JsonObject {
  return {
    ...{ title, state },
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof due_on === "string" ? { due_on } : {}),
  };
}

const FILLER = quotedNote("keeps the numbers of milestones as they were; it will be removed");

function filler(number: number): JsonObject {
  return { title: `${MARK} ${number}`, description: FILLER };
}

function isFiller({ description }: JsonObject): boolean {
  return description === FILLER;
}
