import type { Any, FakeRepository } from "./repository.ts";

/** A request for one of the repositories, with what the path and the query name. */
interface Asked {
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Any;
  readonly bytes: Buffer;
}

/** What is answered: a status, and a body or an address. A list is given whole; pages are cut later. */
export interface Reply {
  readonly status: number;
  readonly body?: Any;
  readonly location?: string;
  /** Where in the body the list is that comes in pages, when the body is not the list. */
  readonly list?: string;
}

type Handler = (repository: FakeRepository, asked: Asked) => Reply;

const OK = (body: Any): Reply => ({ status: 200, body });
const MADE = (body: Any): Reply => ({ status: 201, body });
const NOT_FOUND: Reply = { status: 404, body: { message: "Not Found" } };
const COUNTED = (list: string, items: readonly Any[]): Reply => ({
  status: 200,
  body: { total_count: items.length, [list]: items },
  list,
});
const INVALID = (resource: string, field: string, code: string): Reply => ({
  status: 422,
  body: {
    message: "Validation Failed",
    documentation_url: "https://docs.github.com/rest",
    errors: [{ resource, field, code }],
  },
});

const REPO = "/repos/{owner}/{repo}";

/** The routes that the fake answers, as the description names them. */
export const ROUTES: Readonly<Record<string, Handler>> = {
  [`GET ${REPO}`]: ({ settings }) => OK(settings),
  [`PATCH ${REPO}`]: ({ settings }, { body }) => OK(Object.assign(settings, body)),
  [`PUT ${REPO}/topics`]: ({ settings }, { body }) => {
    settings.topics = body.names;
    return OK({ names: body.names });
  },
  [`GET ${REPO}/labels`]: ({ labels }) => OK(labels),
  [`POST ${REPO}/labels`]: (repository, { body }) =>
    repository.labels.some(({ name }) => same(name, body.name))
      ? INVALID("Label", "name", "already_exists")
      : MADE(repository.addLabel(body)),
  [`PATCH ${REPO}/labels/{name}`]: ({ labels }, { parameters, body }) => {
    const label = labels.find(({ name }) => same(name, parameters.name!));
    if (label === undefined) return NOT_FOUND;
    const { new_name, ...fields } = body;
    return OK(Object.assign(label, fields, new_name === undefined ? {} : { name: new_name }));
  },
  [`DELETE ${REPO}/labels/{name}`]: (repository, { parameters }) => {
    repository.labels = repository.labels.filter(({ name }) => !same(name, parameters.name!));
    return { status: 204 };
  },
  [`GET ${REPO}/milestones`]: ({ milestones }, { query }) =>
    OK(inState(milestones, query.get("state"))),
  [`POST ${REPO}/milestones`]: (repository, { body }) =>
    repository.milestones.some(({ title }) => title === body.title)
      ? INVALID("Milestone", "title", "already_exists")
      : MADE(repository.addMilestone(body)),
  [`DELETE ${REPO}/milestones/{milestone_number}`]: (repository, { parameters }) => {
    const number = Number(parameters.milestone_number);
    repository.milestones = repository.milestones.filter((one) => one.number !== number);
    return { status: 204 };
  },
  [`GET ${REPO}/issues`]: ({ issues }, { query }) =>
    OK(ordered(inState(issues, query.get("state")), query)),
  [`POST ${REPO}/issues`]: (repository, { body }) =>
    MADE(repository.addIssue({ ...body, author: "robot" })),
  [`PATCH ${REPO}/issues/{issue_number}`]: ({ issues }, { parameters, body }) => {
    const issue = issues[Number(parameters.issue_number) - 1];
    return issue === undefined ? NOT_FOUND : OK(Object.assign(issue, body));
  },
  [`PUT ${REPO}/issues/{issue_number}/lock`]: ({ issues }, { parameters }) => {
    const issue = issues[Number(parameters.issue_number) - 1];
    if (issue === undefined) return NOT_FOUND;
    issue.locked = true;
    return { status: 204 };
  },
  [`GET ${REPO}/issues/comments`]: ({ comments }, { query }) => OK(ordered(comments, query)),
  [`GET ${REPO}/issues/{issue_number}/comments`]: ({ comments }, { parameters }) =>
    OK(comments.filter((one) => one.issue_url.endsWith(`/issues/${parameters.issue_number}`))),
  [`POST ${REPO}/issues/{issue_number}/comments`]: (repository, { parameters, body }) =>
    MADE(repository.addComment(Number(parameters.issue_number), { ...body, author: "robot" })),
  [`GET ${REPO}/issues/events`]: ({ events }) => OK([...events].reverse()),
  [`GET ${REPO}/pulls`]: ({ pulls }, { query }) =>
    OK(ordered(inState(pulls, query.get("state")), query)),
  [`GET ${REPO}/pulls/comments`]: ({ reviewComments }, { query }) =>
    OK(ordered(reviewComments, query)),
  [`GET ${REPO}/releases`]: ({ releases }) => OK(releases),
  [`POST ${REPO}/releases`]: (repository, { body }) => {
    const { make_latest, ...fields } = body;
    return MADE(repository.addRelease(fields));
  },
  [`PATCH ${REPO}/releases/{release_id}`]: ({ releases }, { parameters, body }) => {
    const release = releases.find(({ id }) => id === Number(parameters.release_id));
    if (release === undefined) return NOT_FOUND;
    const { make_latest, ...fields } = body;
    return OK(Object.assign(release, fields));
  },
  [`POST ${REPO}/releases/{release_id}/assets`]: (repository, { parameters, query, bytes }) => {
    const release = repository.releases.find(({ id }) => id === Number(parameters.release_id));
    const name = query.get("name");
    if (release === undefined) return NOT_FOUND;
    if (release.assets.some((one: Any) => one.name === name)) {
      return INVALID("ReleaseAsset", "name", "already_exists");
    }
    return MADE(repository.addAsset(release, { name, label: query.get("label") }, bytes));
  },
  [`DELETE ${REPO}/releases/assets/{asset_id}`]: ({ releases }, { parameters }) => {
    for (const release of releases) {
      release.assets = release.assets.filter((one: Any) => one.id !== Number(parameters.asset_id));
    }
    return { status: 204 };
  },
  [`GET ${REPO}/releases/assets/{asset_id}`]: ({ assets, releases }, { parameters }) => {
    const id = Number(parameters.asset_id);
    if (!assets.has(id)) return NOT_FOUND;
    const asset = releases.flatMap((one) => one.assets).find((one) => one.id === id);
    // Every download counts, ours too.
    asset.download_count++;
    return { status: 302, location: `/${id}` };
  },
  [`GET ${REPO}/branches`]: ({ branches }, { query }) =>
    OK(branches.filter((one) => String(one.protected) === (query.get("protected") ?? "true"))),
  [`GET ${REPO}/branches/{branch}/protection`]: ({ protection }, { parameters }) =>
    found(protection.get(parameters.branch!)),
  [`GET ${REPO}/rulesets`]: ({ rulesets }) =>
    OK(rulesets.map(({ rules, conditions, bypass_actors, ...short }) => short)),
  [`GET ${REPO}/rulesets/{ruleset_id}`]: ({ rulesets }, { parameters }) =>
    found(rulesets.find(({ id }) => id === Number(parameters.ruleset_id))),
  [`GET ${REPO}/environments`]: ({ environments }) => COUNTED("environments", environments),
  [`GET ${REPO}/environments/{environment_name}/variables`]: (repository, { parameters }) =>
    COUNTED("variables", repository.environmentVariables.get(parameters.environment_name!) ?? []),
  [`GET ${REPO}/environments/{environment_name}/secrets`]: (repository, { parameters }) =>
    COUNTED("secrets", repository.environmentSecrets.get(parameters.environment_name!) ?? []),
  [`GET ${REPO}/environments/{environment_name}/deployment-branch-policies`]: () =>
    COUNTED("branch_policies", [{ id: 1, node_id: "N_1", name: "release/*" }]),
  [`GET ${REPO}/actions/variables`]: ({ variables }) => COUNTED("variables", variables),
  [`GET ${REPO}/actions/secrets`]: ({ secrets }) => COUNTED("secrets", secrets),
  [`GET ${REPO}/pages`]: ({ pages }) => found(pages),
  [`GET ${REPO}/hooks`]: ({ hooks }) => OK(hooks),
};

function found(value: Any): Reply {
  return value === undefined ? NOT_FOUND : OK(value);
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function inState(list: readonly Any[], state: string | null): Any[] {
  return list.filter((one) => state === "all" || one.state === (state ?? "open"));
}

function ordered(list: readonly Any[], query: URLSearchParams): Any[] {
  return query.get("direction") === "asc" ? [...list] : [...list].reverse();
}
