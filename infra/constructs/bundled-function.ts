import { basename, join } from 'node:path';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { Code, type FunctionOptions, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { bundle } from '../images/bundle.ts';
import { stagedOnce, stagingFolder } from '../images/staging.ts';
import { acknowledgeNameless } from './acknowledged.ts';
import { functionRole } from './function-role.ts';

export type BundledFunctionProps = Omit<FunctionOptions, 'role' | 'logGroup' | 'tracing'> & {
  /** The module that exports `handler`, from the root of the project. */
  readonly entry: string;
  readonly logRetentionDays: number;
};

const MEMORY_MB = 512;

/**
 * The one function of a construct: one file of our code in a zip, with a role of its own that may write its log and its
 * traces, and what its maker adds.
 */
export function bundledFunction(
  scope: Construct,
  { entry, logRetentionDays, ...options }: BundledFunctionProps,
): { lambda: LambdaFunction; role: Role } {
  const name = basename(entry, '.ts');
  const { role, logGroup } = functionRole(scope, logRetentionDays);
  const lambda = new LambdaFunction(scope, 'Function', {
    memorySize: MEMORY_MB,
    ...options,
    runtime: Runtime.NODEJS_24_X,
    handler: `${name}.handler`,
    code: Code.fromAsset(bundled(entry, name)),
    tracing: Tracing.ACTIVE,
    role,
    logGroup,
  });
  acknowledgeNameless(role);
  return { lambda, role };
}

function bundled(entry: string, name: string): string {
  return stagedOnce(entry, () => {
    const folder = stagingFolder();
    bundle(entry, join(folder, `${name}.mjs`));
    return folder;
  });
}
