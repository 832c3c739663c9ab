import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import type { DeploymentConfig } from '../config.ts';

/** What alarms and the dashboard look at. */
export type Watched = {
  readonly config: DeploymentConfig;
  readonly api: RestApi;
  readonly alias: Alias;
  readonly metricsNamespace: string;
};
