import { Duration, Stack } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import {
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  SearchExpression,
  Stats,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { USD_PER_API_REQUEST, USD_PER_GB_SECOND, USD_PER_INVOCATION } from '../../functions/adapters/lambda-prices.ts';
import type { DeploymentConfig } from '../config.ts';
import type { Watched } from './watched.ts';

const PERIOD = Duration.minutes(5);
const WIDTH = 8;
/** One page for a deployment: traffic, latency by phase, cold starts, errors, versions, cost. */
export class ServingDashboard extends Construct {
  constructor(scope: Construct, id: string, { config, api, alias, metricsNamespace }: Watched) {
    super(scope, id);
    const average = { period: PERIOD, statistic: Stats.AVERAGE };
    const sum = { period: PERIOD, statistic: Stats.SUM };
    const own = (metricName: string, statistic: string): Metric =>
      new Metric({ namespace: metricsNamespace, metricName, period: PERIOD, statistic });
    const byVersion = (metricName: string, statistic: string): SearchExpression =>
      new SearchExpression({
        expression: `SEARCH('{"${metricsNamespace}",model,version,outcome} MetricName="${metricName}"', '${statistic}', ${PERIOD.toSeconds()})`,
        label: ' ',
        period: PERIOD,
      });
    const graph = (title: string, left: IMetric[], unit: string): GraphWidget =>
      new GraphWidget({ title, left, width: WIDTH, leftYAxis: { label: unit, showUnits: false, min: 0 } });
    new Dashboard(this, 'Dashboard', { defaultInterval: Duration.hours(3) }).addWidgets(
      new TextWidget({
        width: 3 * WIDTH,
        height: 1,
        markdown: `**${Stack.of(this).stackName}**: models served by serverless-onnx. What to do about an alarm: docs/runbook.md`,
      }),
      graph('Traffic', [api.metricCount(sum)], 'requests'),
      graph(
        'Latency by phase',
        [
          api.metricLatency({ ...average, label: 'whole request' }),
          api.metricLatency({ period: PERIOD, statistic: Stats.percentile(99), label: 'whole request, p99' }),
          api.metricIntegrationLatency({ ...average, label: 'Lambda, as API Gateway sees it' }),
          alias.metricDuration({ ...average, label: 'the handler' }),
        ],
        'ms',
      ),
      graph('Inference by version', [byVersion('RequestDuration', 'Average')], 'ms'),
      graph(
        'Cold starts by phase',
        ['ColdStartInit', 'ColdStartDownload', 'ColdStartSession', 'ColdStartFirstRun'].map((name) =>
          own(name, 'Average'),
        ),
        'ms',
      ),
      graph('Cold starts', [own('ColdStartInit', Stats.SAMPLE_COUNT)], 'environments'),
      graph(
        'Errors',
        [
          api.metricClientError(sum),
          api.metricServerError(sum),
          alias.metricErrors(sum),
          alias.metricThrottles(sum),
          own('ModelLoadFailure', Stats.SUM),
        ],
        'count',
      ),
      graph('Versions served', [byVersion('Requests', 'Sum')], 'requests'),
      graph('Cost estimate', [costOf(config, api, alias)], 'USD in 5 minutes'),
    );
  }
}

function costOf({ memoryMb, architecture }: DeploymentConfig, api: RestApi, alias: Alias): IMetric {
  const sum = { period: PERIOD, statistic: Stats.SUM };
  const perMillisecond = (USD_PER_GB_SECOND[architecture] * memoryMb) / 1024 / 1000;
  return new MathExpression({
    label: 'requests and computing',
    // CloudWatch knows no exponents.
    expression: `requests * ${decimal(USD_PER_API_REQUEST)} + invocations * ${decimal(USD_PER_INVOCATION)} + ms * ${decimal(perMillisecond)}`,
    usingMetrics: {
      requests: api.metricCount(sum),
      invocations: alias.metricInvocations(sum),
      ms: alias.metricDuration(sum),
    },
    period: PERIOD,
  });
}

function decimal(usd: number): string {
  return usd.toFixed(14);
}
