// EventBridge's patterns, as far as rules of this project use them.

type Condition = string | { readonly wildcard: string } | { readonly 'anything-but': { readonly wildcard: string } };

/** Whether a pattern for one field takes a value: any of its conditions does. */
export function takes(conditions: readonly Condition[], value: string): boolean {
  return conditions.some((condition) => {
    if (typeof condition === 'string') return condition === value;
    if ('wildcard' in condition) return matches(condition.wildcard, value);
    return !matches(condition['anything-but'].wildcard, value);
  });
}

/** `*` stands for any characters, slashes too. */
function matches(wildcard: string, value: string): boolean {
  const pattern = wildcard.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('.*')}$`, 's').test(value);
}
