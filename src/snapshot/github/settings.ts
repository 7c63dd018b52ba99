import { GithubFailure } from "./failure.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import { allOf, listOf, oneOf, type Source } from "./source.ts";
import { tidyRepository } from "./tidy.ts";

/** Repository settings, with the topics among them. */
export async function readRepository({ settings, apiUrl, shelf }: Source): Promise<void> {
  await shelf.writeSorted("repository/repository", [tidyRepository(settings, apiUrl)], byName);
}

export async function readLabels(source: Source): Promise<void> {
  const labels = await allOf(listOf(source, "/labels"));
  await source.shelf.writeSorted("labels/labels", labels, byName);
}

export async function readMilestones(source: Source): Promise<void> {
  const milestones = await allOf(listOf(source, "/milestones", { state: "all" }));
  await source.shelf.writeSorted("milestones/milestones", milestones, (one) => Number(one.number));
}

export async function readBranchProtection(source: Source): Promise<void> {
  const lines: JsonObject[] = [];
  for (const { name } of await allOf(listOf(source, "/branches", { protected: true }))) {
    const protection = await protectionOf(source, String(name));
    if (protection !== undefined) lines.push({ branch: name, protection });
  }
  await source.shelf.writeSorted("branch-protection/branches", lines, (one) => String(one.branch));
}

/** Undefined for a branch that only a ruleset protects. */
async function protectionOf(source: Source, branch: string): Promise<JsonObject | undefined> {
  try {
    return await oneOf(source, "/branches/{branch}/protection", { branch });
  } catch (error) {
    if (error instanceof GithubFailure && /Branch not protected/i.test(error.message)) {
      return undefined;
    }
    throw error;
  }
}

export async function readRulesets(source: Source): Promise<void> {
  const lines: JsonObject[] = [];
  for (const { id } of await allOf(listOf(source, "/rulesets", { includes_parents: false }))) {
    lines.push(await oneOf(source, "/rulesets/{ruleset_id}", { ruleset_id: id }));
  }
  await source.shelf.writeSorted("rulesets/rulesets", lines, ({ id }) => Number(id));
}

/** Environments with their rules, and the names of their variables and secrets. */
export async function readEnvironments(source: Source): Promise<void> {
  const lines: JsonObject[] = [];
  const hidden = new Map<string, string>();
  for (const found of await allOf(listOf(source, "/environments", {}, "environments"))) {
    const inner = { environment_name: found.name };
    const path = "/environments/{environment_name}";
    const names = async (kind: "variables" | "secrets"): Promise<Json> => {
      try {
        return await namesOf(source, `${path}/${kind}`, kind, inner);
      } catch (error) {
        if (!(error instanceof GithubFailure)) throw error;
        hidden.set(`environments/${kind}`, error.message);
        return null;
      }
    };
    const policy = found.deployment_branch_policy;
    const custom = isObject(policy) && policy.custom_branch_policies === true;
    lines.push({
      ...found,
      ...(custom ? { branch_policies: await branchPolicies(source, path, inner) } : {}),
      variables: await names("variables"),
      secrets: await names("secrets"),
    });
  }
  await source.shelf.writeSorted("environments/environments", lines, byName);
  for (const [part, reason] of hidden) source.miss(part, reason);
}

/** Never a value. */
export async function readVariables(source: Source): Promise<void> {
  const names = await namesOf(source, "/actions/variables", "variables");
  await source.shelf.writeSorted("variables/variables", named(names), byName);
}

/** Never a value: GitHub tells none. */
export async function readSecrets(source: Source): Promise<void> {
  const names = await namesOf(source, "/actions/secrets", "secrets");
  await source.shelf.writeSorted("secrets/secrets", named(names), byName);
}

export async function readPages(source: Source): Promise<void> {
  if (source.settings.has_pages === false) return;
  // How the last build went and until when a certificate holds change by themselves.
  const { status, https_certificate, pending_domain_unverified_at, ...pages } = await oneOf(
    source,
    "/pages",
  );
  await source.shelf.writeSorted("pages/pages", [pages], byName);
}

export async function readWebhooks(source: Source): Promise<void> {
  const hooks = await allOf(listOf(source, "/hooks"));
  const lines = hooks.map(({ config, ...hook }) => ({
    ...hook,
    config: isObject(config) ? { ...config, url: withoutPassword(config.url) } : null,
  }));
  await source.shelf.writeSorted("webhooks/webhooks", lines, ({ id }) => Number(id));
}

function withoutPassword(address: Json | undefined): Json {
  const url = typeof address === "string" ? URL.parse(address) : null;
  if (url === null) return null;
  url.username = "";
  url.password = "";
  return url.href;
}

async function branchPolicies(source: Source, path: string, inner: JsonObject): Promise<Json> {
  const pages = listOf(source, `${path}/deployment-branch-policies`, inner, "branch_policies");
  const names = (await allOf(pages)).map(({ name, type }) => ({ name, type: type ?? "branch" }));
  return names.toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1));
}

async function namesOf(
  source: Source,
  path: string,
  key: string,
  parameters: JsonObject = {},
): Promise<string[]> {
  // Of variables there are at most 30 a page, and asking for more is refused.
  const paged = key === "variables" ? { ...parameters, per_page: 30 } : parameters;
  const items = await allOf(listOf(source, path, paged, key));
  return items.map(({ name }) => String(name)).sort();
}

function named(names: readonly string[]): JsonObject[] {
  return names.map((name) => ({ name }));
}

function byName({ name }: JsonObject): string {
  return String(name);
}
