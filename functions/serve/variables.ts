import { isModelName } from '../protocol/names.ts';

/** A setting that can't be used; the message names the variable, what was found and what was expected. */
export class WrongSetting extends Error {}

export type Environment = { readonly [name: string]: string | undefined };

export type Variables = {
  text(name: string, fallback: string): string;
  /** @throws WrongSetting */
  integer(name: string, fallback: number, min: number, max: number): number;
  /** Names of models, separated by commas. @throws WrongSetting */
  models(name: string): readonly string[];
};

/** Reads settings from environment variables; one that is empty counts as not set. */
export function variablesOf(env: Environment): Variables {
  const text = (name: string, fallback: string): string => env[name]?.trim() || fallback;
  return {
    text,
    models: (name) => {
      const found = text(name, '').split(',').filter(Boolean);
      const wrong = found.find((model) => !isModelName(model));
      if (wrong !== undefined) throw new WrongSetting(`${name} holds '${wrong}'; expected names of models`);
      return found;
    },
    integer: (name, fallback, min, max) => {
      const found = env[name]?.trim();
      if (found === undefined || found === '') return fallback;
      const value = /^\d+$/.test(found) ? Number(found) : Number.NaN;
      if (!(value >= min && value <= max)) {
        throw new WrongSetting(`${name} is '${found}'; expected an integer from ${min} to ${max}`);
      }
      return value;
    },
  };
}
