import type { TensorMetadata } from '../protocol/messages.ts';
import {
  type Config,
  getJson,
  getText,
  type IndexEntry,
  type Metadata,
  type Metrics,
  modelPath,
  optional,
  type Release,
  type Stats,
} from './api.ts';

/** What the server says of one model. */
export type ModelInfo = {
  readonly name: string;
  readonly metadata: Metadata;
  readonly config: Config;
  readonly release: Release | undefined;
  /** Of the version that answers. */
  readonly version: string | undefined;
  readonly metrics: Metrics | undefined;
  readonly bytes: number | undefined;
  /** From newest to oldest. */
  readonly versions: readonly string[];
  readonly samples: readonly string[];
};

/** Asks for what is needed to try a model; that loads it. */
export async function readModel(name: string): Promise<ModelInfo> {
  const path = modelPath(name);
  const [metadata, config, release, samples, stats] = await Promise.all([
    getJson<Metadata>(path),
    getJson<Config>(`${path}/config`),
    optional(getJson<Release>(`${path}/release`)),
    optional(getJson<{ samples: string[] }>(`${path}/samples`)),
    optional(getJson<{ model_stats: Stats[] }>(`${path}/stats`)),
  ]);
  const newest = metadata.versions.at(-1);
  const version = release?.live ?? newest;
  const metrics = version === undefined ? undefined : await optional(readMetrics(name, version));
  const known = [...metadata.versions, ...(release === undefined ? [] : versionsIn(release))];
  return {
    name,
    metadata,
    config,
    release,
    version,
    metrics,
    bytes: stats?.model_stats.find((its) => its.version === version)?.memory_usage?.[0]?.byte_size,
    versions: [...new Set(known)].sort((a, b) => Number(b) - Number(a)),
    samples: samples?.samples ?? [],
  };
}

function versionsIn({ live, canary, history = [] }: Release): string[] {
  return [live, ...(canary === undefined ? [] : [canary.version]), ...history.map(({ version }) => version)];
}

export function readMetrics(model: string, version: string): Promise<Metrics> {
  return getJson<Metrics>(`${modelPath(model, version)}/metrics`);
}

export type Summary = {
  readonly name: string;
  readonly state: string | undefined;
  readonly reason: string | undefined;
  readonly live: string | undefined;
};

/** One line for each model, from the repository's index alone: that loads nothing. */
export function summaries(index: readonly IndexEntry[]): readonly Summary[] {
  const order = ['READY', 'LOADING', 'UNAVAILABLE'];
  const names = [...new Set(index.map(({ name }) => name))].sort();
  return names.map((name) => {
    const entries = index.filter((entry) => entry.name === name);
    const best = entries.toSorted((a, b) => order.indexOf(a.state ?? '') - order.indexOf(b.state ?? '')).at(0);
    const ready = entries.filter(({ state }) => state === 'READY').map(({ version }) => version ?? '');
    return { name, state: best?.state, reason: best?.reason, live: ready.sort((a, b) => Number(b) - Number(a))[0] };
  });
}

export const readExposition = (): Promise<string | undefined> => optional(getText('/metrics'));

export const described = ({ name, datatype, shape }: TensorMetadata): string =>
  `${name} ${datatype} [${shape.map((dim) => (dim === -1 ? 'any' : dim)).join(', ')}]`;

/** A rate that is not whole never looks as if it were. */
export const percent = (share: number): string => `${(share * 100).toFixed(share > 0.999 && share < 1 ? 2 : 1)} %`;
