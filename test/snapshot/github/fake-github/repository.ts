import { createHash } from "node:crypto";
import { connection } from "./connection.ts";
import type { Description } from "./description.ts";

// biome-ignore lint/suspicious/noExplicitAny: what GitHub answers has hundreds of shapes.
export type Any = any;

/** What a fake repository holds, in the shapes of GitHub's answers. */
export class FakeRepository {
  readonly name: string;
  readonly #make: Maker;
  settings: Any;
  labels: Any[] = [];
  milestones: Any[] = [];
  /** Pull requests too, as in the API. */
  issues: Any[] = [];
  comments: Any[] = [];
  events: Any[] = [];
  pulls: Any[] = [];
  reviewComments: Any[] = [];
  reviews = new Map<number, Any[]>();
  /** By node_id of what was reacted to. */
  reactions = new Map<string, Any[]>();
  releases: Any[] = [];
  assets = new Map<number, Buffer>();
  branches: Any[] = [];
  protection = new Map<string, Any>();
  rulesets: Any[] = [];
  environments: Any[] = [];
  variables: Any[] = [];
  secrets: Any[] = [];
  environmentVariables = new Map<string, Any[]>();
  environmentSecrets = new Map<string, Any[]>();
  pages: Any;
  hooks: Any[] = [];
  discussions: Any[] = [];

  constructor(name: string, description: Description, base: string) {
    this.name = name;
    this.#make = new Maker(description, base, name);
    this.settings = this.#make.settings();
  }

  addLabel(fields: Any): Any {
    const label = this.#make.of("label", { default: false, description: null, ...fields });
    label.url = this.#make.url(`labels/${encodeURIComponent(label.name)}`);
    this.labels.push(label);
    return label;
  }

  addMilestone(fields: Any): Any {
    const number = 1 + Math.max(0, ...this.milestones.map((one) => one.number));
    const milestone = this.#make.of("milestone", {
      number,
      state: "open",
      description: null,
      due_on: null,
      closed_at: fields.state === "closed" ? TIME : null,
      url: this.#make.url(`milestones/${number}`),
      creator: this.#make.user("ada"),
      ...fields,
    });
    this.milestones.push(milestone);
    return milestone;
  }

  addIssue({ author = "ada", labels = [], milestone = null, assignees = [], ...fields }: Any): Any {
    const number = this.issues.length + 1;
    const state = fields.state ?? "open";
    const issue = this.#make.of("issue", {
      number,
      url: this.#make.url(`issues/${number}`),
      html_url: `https://github.com/${this.name}/issues/${number}`,
      body: null,
      user: this.#make.user(author),
      labels: labels.map(
        (name: string) =>
          this.labels.find((one) => one.name === name) ?? this.addLabel({ name, color: "ededed" }),
      ),
      milestone: this.milestones.find((one) => one.number === milestone) ?? null,
      assignee: null,
      assignees: assignees.map((login: string) => this.#make.user(login)),
      state,
      state_reason: state === "closed" ? "completed" : null,
      closed_at: state === "closed" ? TIME : null,
      closed_by: undefined,
      locked: false,
      comments: 0,
      pull_request: undefined,
      reactions: this.#make.reactionCounts(),
      created_at: TIME,
      updated_at: TIME,
      ...fields,
    });
    this.issues.push(issue);
    return issue;
  }

  addPull({ author = "grace", ...fields }: Any): Any {
    const number = this.issues.length + 1;
    const url = this.#make.url(`pulls/${number}`);
    const html_url = `https://github.com/${this.name}/pull/${number}`;
    const pull_request = {
      url,
      html_url,
      diff_url: `${html_url}.diff`,
      patch_url: `${html_url}.patch`,
    };
    const issue = this.addIssue({ author, ...fields, html_url, pull_request });
    const { title, body, state, labels, milestone, user, created_at, updated_at } = issue;
    this.pulls.push(
      this.#make.of("pull-request-simple", {
        ...{ number, url, html_url, title, body, state, user, created_at, updated_at, milestone },
        labels,
        assignee: null,
        assignees: [],
        requested_reviewers: [],
        requested_teams: [],
      }),
    );
    return issue;
  }

  addComment(number: number, { author = "grace", ...fields }: Any): Any {
    const comment = this.#make.of("issue-comment", {
      issue_url: this.#make.url(`issues/${number}`),
      user: this.#make.user(author),
      reactions: this.#make.reactionCounts(),
      created_at: TIME,
      updated_at: TIME,
      ...fields,
    });
    comment.html_url = `https://github.com/${this.name}/issues/${number}#issuecomment-${comment.id}`;
    this.comments.push(comment);
    this.issues[number - 1].comments++;
    return comment;
  }

  addEvent(number: number, fields: Any): Any {
    const event = this.#make.of("issue-event", {
      issue: this.issues[number - 1],
      actor: this.#make.user("ada"),
      commit_id: null,
      commit_url: null,
      created_at: TIME,
      ...fields,
    });
    this.events.push(event);
    return event;
  }

  addReviewComment(number: number, fields: Any): Any {
    const comment = this.#make.of("pull-request-review-comment", {
      pull_request_url: this.#make.url(`pulls/${number}`),
      user: this.#make.user("ada"),
      reactions: this.#make.reactionCounts(),
      ...fields,
    });
    this.reviewComments.push(comment);
    return comment;
  }

  /** In the shape of the GraphQL API. */
  addReview(number: number, fields: Any): void {
    const review = {
      databaseId: this.#make.nextId(),
      author: { login: "ada" },
      submittedAt: TIME,
      commit: { oid: "6dcb09b5b57875f334f61aebed695e2e4193db5e" },
      ...fields,
    };
    this.reviews.set(number, [...(this.reviews.get(number) ?? []), review]);
  }

  addReaction(to: Any, login: string, content: "THUMBS_UP" | "HEART"): void {
    const list = this.reactions.get(to.node_id) ?? [];
    list.push({ databaseId: this.#make.nextId(), content, createdAt: TIME, user: { login } });
    this.reactions.set(to.node_id, list);
    to.reactions.total_count++;
    to.reactions[content === "HEART" ? "heart" : "+1"]++;
  }

  addRelease(fields: Any): Any {
    const release = this.#make.of("release", {
      name: null,
      body: null,
      author: this.#make.user("ada"),
      assets: [],
      draft: false,
      prerelease: false,
      created_at: TIME,
      published_at: fields.draft ? null : TIME,
      ...fields,
    });
    release.url = this.#make.url(`releases/${release.id}`);
    release.upload_url = `${release.url}/assets{?name,label}`;
    release.html_url = `https://github.com/${this.name}/releases/tag/${release.tag_name}`;
    this.releases.unshift(release);
    return release;
  }

  addAsset(release: Any, fields: Any, content: Buffer): Any {
    const asset = this.#make.of("release-asset", {
      uploader: this.#make.user("ada"),
      label: null,
      content_type: "application/octet-stream",
      state: "uploaded",
      size: content.length,
      digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
      download_count: 0,
      ...fields,
    });
    asset.url = this.#make.url(`releases/assets/${asset.id}`);
    release.assets.push(asset);
    this.assets.set(asset.id, content);
    return asset;
  }

  addProtectedBranch(name: string): void {
    // The examples of protection lack what is required of it.
    const { protection, ...branch } = this.#make.example("short-branch-with-protection-items");
    this.branches.push({ ...branch, name, protected: true });
    const { required_status_checks, required_pull_request_reviews, restrictions, ...rules } =
      this.#make.example("branch-protection");
    this.protection.set(name, rules);
  }

  addRuleset(fields: Any): void {
    this.rulesets.push(this.#make.of("repository-ruleset", fields));
  }

  addEnvironment(name: string): void {
    const { environments } = this.#make.example("environments");
    this.environments.push({ ...environments[0], name, id: this.#make.nextId() });
  }

  addHook(fields: Any): void {
    this.hooks.push({ ...this.#make.example("hook-items"), id: this.#make.nextId(), ...fields });
  }

  publishPages(): void {
    this.settings.has_pages = true;
    this.pages = this.#make.example("page");
  }

  /** In the shape of the GraphQL API, as all that belongs to it. */
  addDiscussion(fields: Any, comments: readonly Any[]): void {
    const number = this.issues.length + 1000 + this.discussions.length;
    const said = (body: string) => ({
      id: `DC_${this.#make.nextId()}`,
      body,
      url: `https://github.com/${this.name}/discussions/${number}`,
      createdAt: TIME,
      updatedAt: TIME,
      author: { login: "grace" },
    });
    const all = comments.map(({ body, isAnswer = false, replies = [] }) => ({
      ...said(body),
      isAnswer,
      replies: connection(replies.map(said)),
    }));
    this.settings.has_discussions = true;
    this.discussions.push({
      ...said(fields.body),
      id: `D_${number}`,
      number,
      closed: false,
      locked: false,
      category: { name: "Q&A", isAnswerable: true },
      answer: all.find(({ isAnswer }) => isAnswer) ?? null,
      comments: connection(all),
      all,
      ...fields,
    });
  }
}

const TIME = "2024-05-06T07:08:09Z";

/** Makes answers out of the description's examples. */
class Maker {
  readonly #description: Description;
  readonly #base: string;
  readonly #name: string;
  readonly #examples = new Map<string, Any>();
  #id = 1000;

  constructor(description: Description, base: string, name: string) {
    this.#description = description;
    this.#base = base;
    this.#name = name;
  }

  example(name: string): Any {
    return structuredClone(this.#shared(name));
  }

  #shared(name: string): Any {
    if (!this.#examples.has(name)) this.#examples.set(name, this.#description.example(name));
    return this.#examples.get(name);
  }

  of(kind: string, fields: Any): Any {
    const id = this.nextId();
    return JSON.parse(
      JSON.stringify({ ...this.#shared(kind), id, node_id: `N_${kind}_${id}`, ...fields }),
    );
  }

  nextId(): number {
    return ++this.#id;
  }

  url(path: string): string {
    return `${this.#base}/repos/${this.#name}/${path}`;
  }

  user(login: string): Any {
    const id = [...login].reduce((sum, one) => sum * 31 + one.charCodeAt(0), 7) % 1e6;
    const { assignee } = this.#shared("issue");
    return {
      ...assignee,
      login,
      id,
      url: `${this.#base}/users/${login}`,
      html_url: `https://github.com/${login}`,
    };
  }

  reactionCounts(): Any {
    const none = {
      "+1": 0,
      "-1": 0,
      laugh: 0,
      hooray: 0,
      confused: 0,
      heart: 0,
      rocket: 0,
      eyes: 0,
    };
    return { url: this.url("reactions"), total_count: 0, ...none };
  }

  settings(): Any {
    const [owner, name] = this.#name.split("/");
    const { template_repository, parent, source, organization, ...rest } = this.example(
      "full-repository-default-response",
    );
    return {
      ...rest,
      owner: this.user(owner!),
      name,
      full_name: this.#name,
      url: `${this.#base}/repos/${this.#name}`,
      // The example lacks it, though it is required.
      language: "HTML",
      topics: [],
      has_pages: false,
      has_discussions: false,
      fork: false,
      temp_clone_token: "ABTLWHOULUVAXGTRYU7OC2876QJ2O",
    };
  }
}
