import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { Reach } from '../../functions/retrain/env.ts';
import { acknowledgePattern } from './acknowledged.ts';

/** Lets a function's role start executions, and tell people. */
export function allowStarting(role: Role, { stateMachines, topic }: Reach): void {
  const resources = Object.values(stateMachines);
  role.addToPolicy(new PolicyStatement({ actions: ['states:StartExecution'], resources }));
  role.addToPolicy(new PolicyStatement({ actions: ['sns:Publish'], resources: [topic] }));
}

/** Lets a function's role see how executions are. */
export function allowLooking(role: Role, { stateMachines }: Reach): void {
  for (const machine of Object.values(stateMachines)) {
    const executions = `${machine.replace(':stateMachine:', ':execution:')}:*`;
    role.addToPolicy(new PolicyStatement({ actions: ['states:DescribeExecution'], resources: [executions] }));
    acknowledgePattern(role, executions);
  }
}
