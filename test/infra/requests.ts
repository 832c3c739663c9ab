// State machines as CloudFormation and Step Functions would put them together.

import { createHash } from 'node:crypto';
import type { Template } from 'aws-cdk-lib/assertions';
import { resourcesOf } from './deployments.ts';

// biome-ignore lint/suspicious/noExplicitAny: a state is what each test says it is.
export type Definition = { States: { [name: string]: any }; TimeoutSeconds: number };

const KNOWN_LATER: { [name: string]: string } = {
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::Region': 'eu-west-1',
  'AWS::AccountId': '111122223333',
};

/** The definition of the state machine, with names and ARNs as they could be. */
export function definitionIn(template: Template): Definition {
  const [machine] = Object.values(resourcesOf(template, 'AWS::StepFunctions::StateMachine'));
  return JSON.parse(resolved(machine?.Properties.DefinitionString));
}

function resolved(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[name, inner]] = Object.entries(value as object) as [[string, never]];
  if (name === 'Fn::Join') return (inner[1] as unknown[]).map(resolved).join(inner[0]);
  if (name === 'Ref') return KNOWN_LATER[inner] ?? nameOf(inner);
  if (name === 'Fn::GetAtt') return attributeOf(inner);
  if (name === 'Fn::ImportValue') return 'a-bucket-name';
  if (name === 'Fn::FindInMap') return '763104351884';
  if (name === 'Fn::Sub')
    return (inner as string).replace(/\$\{([\w:]+)\}/g, (_, parameter) => KNOWN_LATER[parameter] ?? '');
  throw new Error(`unknown function ${name}`);
}

function nameOf(id: string): string {
  if (/Topic/.test(id)) return `arn:aws:sns:eu-west-1:111122223333:${id}`;
  return /Queue/.test(id) ? `https://sqs.eu-west-1.amazonaws.com/111122223333/${id}` : 'a-bucket-name';
}

function attributeOf([id, attribute]: [string, string]): string {
  if (attribute === 'QueueUrl') return nameOf(id);
  const kind = /Function/.test(id) ? `lambda:eu-west-1:111122223333:function:${id}` : 'iam::111122223333:role/a-role';
  return `arn:aws:${kind}`;
}

/** What an execution knows: here the first retry of its third attempt. */
const PATHS = {
  '$$.Execution.Id': 'arn:aws:states:eu-west-1:111122223333:execution:a:b',
  '$$.State.RetryCount': '1',
  '$.capacity.attempt': '2',
  '$.snapshot': 's3://a-bucket-name/snapshots/digits/0123456789abcdef/',
};
export const EXECUTION_HASH = createHash('sha1').update(PATHS['$$.Execution.Id']).digest('hex');

// biome-ignore lint/suspicious/noExplicitAny: a request of the API is what each test says it is.
export type Request = any;

/** The request of a task state, as the service would get it. */
export function requestIn(parameters: unknown): Request {
  return evaluated(parameters, PATHS);
}

/** A part of a state with its JSON paths and intrinsic functions replaced by what they are in an execution. */
function evaluated(value: unknown, paths: { [path: string]: string }): unknown {
  if (Array.isArray(value)) return value.map((item) => evaluated(item, paths));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key.endsWith('.$') ? [key.slice(0, -2), intrinsic(inner as string, paths)] : [key, evaluated(inner, paths)],
    ),
  );
}

/** The few intrinsic functions that are used. */
function intrinsic(text: string, paths: { [path: string]: string }): string {
  const [, literal] = /^'(.*)'$/.exec(text) ?? [];
  if (literal !== undefined) return literal;
  const [, name, list = ''] = /^States\.(\w+)\((.*)\)$/s.exec(text) ?? [];
  if (name === undefined) {
    const found = paths[text];
    if (found === undefined) throw new Error(`unknown path ${text}`);
    return found;
  }
  const [first = '', ...others] = argumentsIn(list).map((argument) => intrinsic(argument, paths));
  if (name === 'Format') return first.replaceAll('{}', () => others.shift() ?? '');
  if (name === 'Hash')
    return createHash((others[0] ?? '').replace('-', ''))
      .update(first)
      .digest('hex');
  throw new Error(`unknown function ${name}`);
}

/** Split at the commas that are in no quotes and no parentheses. */
function argumentsIn(list: string): string[] {
  return list.match(/('[^']*'|\((?:[^()]|\([^()]*\))*\)|[^,'()])+/g)?.map((argument) => argument.trim()) ?? [];
}
