/** A setting that can't be used; the message names the variable, what was found and what was expected. */
export class WrongSetting extends Error {}

export type Environment = { readonly [name: string]: string | undefined };

export type Variables = {
  text(name: string, fallback: string): string;
  /** @throws WrongSetting */
  integer(name: string, fallback: number, min: number, max: number): number;
};

/** Reads settings from environment variables; one that is empty counts as not set. */
export function variablesOf(env: Environment): Variables {
  return {
    text: (name, fallback) => env[name]?.trim() || fallback,
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
