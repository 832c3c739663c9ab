// What roles may do, read from a template.

import type { Template } from 'aws-cdk-lib/assertions';
import { expect } from 'vitest';
import { type Resource, resourcesOf } from './deployments.ts';

type Statement = { Effect: string; Action: string | string[]; Resource: unknown; Condition?: unknown };

/** What each role may do, as `action on resource`, with the ids of CloudFormation's references left as they are. */
export function rightsOf(template: Template): { [role: string]: string[] } {
  const rights: { [role: string]: string[] } = {};
  for (const [id, { Properties }] of Object.entries(resourcesOf(template, 'AWS::IAM::Role'))) {
    const managed = (Properties.ManagedPolicyArns ?? []).map((arn: unknown) => `managed ${flat(arn)}`);
    rights[withoutHash(id)] = managed;
    expect(Properties).not.toHaveProperty('Policies');
  }
  for (const policy of Object.values(resourcesOf(template, 'AWS::IAM::Policy'))) {
    for (const role of policy.Properties.Roles) rights[withoutHash(role.Ref)]?.push(...rightsIn(policy));
  }
  for (const list of Object.values(rights)) list.sort();
  return rights;
}

function rightsIn({ Properties }: Resource): string[] {
  return Properties.PolicyDocument.Statement.flatMap(({ Effect, Action, Resource, Condition }: Statement) => {
    expect(Effect).toBe('Allow');
    const when = Condition === undefined ? '' : ` if ${JSON.stringify(Condition)}`;
    return [Action].flat().flatMap((action) => [Resource].flat().map((on) => `${action} on ${flat(on)}${when}`));
  });
}

export function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[name, inner]] = Object.entries(value as object) as [[string, never]];
  if (name === 'Fn::Join') return (inner[1] as unknown[]).map(flat).join(inner[0]);
  if (name === 'Fn::GetAtt') return `<${withoutHash(inner[0])}>`;
  if (name === 'Ref') return `<${withoutHash(inner)}>`;
  if (name === 'Fn::ImportValue')
    return `<${withoutHash(/ExportsOutput(?:Ref|FnGetAtt)(\w+?)Arn/.exec(inner)?.[1] ?? inner)}>`;
  if (name === 'Fn::Sub') return inner;
  if (name === 'Fn::FindInMap') return `<${inner[0]}>`;
  throw new Error(`unknown function ${name}`);
}

function withoutHash(id: string): string {
  return id.replace(/[0-9A-F]{8}$/, '');
}
