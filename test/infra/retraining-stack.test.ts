import { describe, expect, test } from 'vitest';
import { readPlaces, readReach } from '../../functions/retrain/env.ts';
import { deploymentWith, propertiesOf, type Resource, resourcesOf, retrainingWith } from './deployments.ts';
import { takes } from './events.ts';
import { flat, rightsOf } from './rights.ts';
import { machineRights, TRAINING_RIGHTS } from './training-rights.ts';

const template = retrainingWith();

/** The properties of the one resource of a type whose logical id begins like this. */
function find(type: string, id: string): Resource['Properties'] {
  const [found, ...others] = Object.entries(resourcesOf(template, type)).filter(([name]) => name.startsWith(id));
  if (found === undefined || others.length > 0) throw new Error(`expected one ${type} ${id}`);
  return found[1].Properties;
}
const queue = (id: string) => find('AWS::SQS::Queue', id);
const lambda = (id: string) => find('AWS::Lambda::Function', `${id}Function`);

describe('the stack', () => {
  test('is not there with models in the image: nothing could change what is live', () => {
    expect(() => retrainingWith({ modelRepository: 'image' })).toThrow('expected a model with a training.json');
  });

  test('has a state machine for each model with a training.json, under a name that no other deployment has', () => {
    const nameIn = (from: typeof template): string =>
      propertiesOf(from, 'AWS::StepFunctions::StateMachine').StateMachineName;
    expect(nameIn(template)).toMatch(/^ServerlessOnnxRetraining-digits-[0-9a-f]{8}$/);
    expect(nameIn(retrainingWith({}, { name: 'staging' }))).toMatch(/^ServerlessOnnxRetraining-staging-digits-/);
    expect(propertiesOf(template, 'AWS::StepFunctions::StateMachine')).toMatchObject({
      TracingConfiguration: { Enabled: true },
      LoggingConfiguration: { Level: 'ALL', IncludeExecutionData: true },
    });
    expect(propertiesOf(template, 'AWS::StepFunctions::StateMachine')).not.toHaveProperty('StateMachineType');
    // Where npm run retrain looks for what it needs.
    const outputs = Object.keys(template.toJSON().Outputs);
    expect(outputs).toEqual(expect.arrayContaining(['StateMachinedigits', 'RetrainingTopic', 'FailedRuns']));
  });

  test('brings the training program below the hash of its files, and no list of requirements', () => {
    const { Files } = propertiesOf(template, 'Custom::FileSeed') as { Files: { key: string }[] };
    const keys = Files.map(({ key }) => key);
    const [, hash = ''] = /^code\/([0-9a-f]{16})\//.exec(keys[0] ?? '') ?? [];
    expect(keys).toContain(`code/${hash}/train.py`);
    for (const key of keys) expect(key).toMatch(new RegExp(`^code/${hash}/[\\w/]+\\.py$`));
    expect(JSON.stringify(resourcesOf(template, 'AWS::StepFunctions::StateMachine'))).toContain(`/code/${hash}/`);
  });
});

describe('an upload', () => {
  const rules = Object.entries(resourcesOf(template, 'AWS::Events::Rule'));
  const patternOf = (id: string) => rules.find(([name]) => name.startsWith(id))?.[1].Properties.EventPattern;

  test.each([
    ['datasets/digits/7/0001.png', ['UploadsFiles']],
    ['datasets/digits/7/manifest.json.png', ['UploadsFiles']],
    ['datasets/digits/manifest.json', ['UploadsManifests']],
  ])('%s goes to one queue', (key, expected) => {
    const names = ['UploadsFiles', 'UploadsManifests'];
    expect(names.filter((name) => takes(patternOf(name).detail.object.key, key))).toEqual(expected);
  });

  test('is an object that was created in the bucket of data, and in no other', () => {
    for (const id of ['UploadsFiles', 'UploadsManifests']) {
      const { source, detail, ...pattern } = patternOf(id);
      expect([source, pattern['detail-type']]).toEqual([['aws.s3'], ['Object Created']]);
      expect(detail.bucket.name).toEqual([{ 'Fn::ImportValue': expect.stringContaining('Datasets') }]);
    }
  });

  test('waits until it is quiet; a manifest does not', () => {
    expect(queue('UploadsFilesQueue')).toMatchObject({ DelaySeconds: 120 });
    expect(queue('UploadsManifestsQueue')).toMatchObject({ DelaySeconds: 0 });
  });

  test('is looked at by the gatekeeper, for many messages at once, of which some may fail', () => {
    const mappings = Object.values(resourcesOf(template, 'AWS::Lambda::EventSourceMapping'));
    expect(mappings.map(({ Properties }) => flat(Properties.EventSourceArn)).sort()).toEqual([
      '<UploadsFilesQueue>',
      '<UploadsManifestsQueue>',
    ]);
    for (const { Properties } of mappings) {
      expect(flat(Properties.FunctionName)).toBe('<GatekeeperFunction>');
      expect(Properties).toMatchObject({ BatchSize: 1_000, FunctionResponseTypes: ['ReportBatchItemFailures'] });
    }
  });

  test('that is being read comes to no second reader', () => {
    for (const id of ['UploadsFilesQueue', 'UploadsManifestsQueue']) {
      expect(queue(id).VisibilityTimeout).toBeGreaterThan(lambda('Gatekeeper').Timeout);
    }
  });

  test('is found every hour without an event', () => {
    const { ScheduleExpression, Target } = propertiesOf(template, 'AWS::Scheduler::Schedule');
    expect(ScheduleExpression).toBe('rate(1 hour)');
    expect(flat(Target.Arn)).toBe('<ReconcilerFunction>');
  });
});

describe('nothing is lost', () => {
  test('every queue is encrypted, reached through TLS only, and keeps a message for 14 days', () => {
    for (const { Properties } of Object.values(resourcesOf(template, 'AWS::SQS::Queue'))) {
      expect(Properties).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 1_209_600 });
    }
    const policies = JSON.stringify(resourcesOf(template, 'AWS::SQS::QueuePolicy'));
    expect(policies.match(/"aws:SecureTransport":"false"/g)).toHaveLength(
      Object.keys(resourcesOf(template, 'AWS::SQS::Queue')).length,
    );
  });

  test('what is not delivered or done ends in a queue', () => {
    const deadLettersOf = (id: string): string => flat(queue(id).RedrivePolicy.deadLetterTargetArn);
    expect(deadLettersOf('UploadsFilesQueue')).toBe('<UploadsUnhandledQueue>');
    expect(deadLettersOf('UploadsManifestsQueue')).toBe('<UploadsUnhandledQueue>');
    expect(deadLettersOf('FailuresQueue')).toBe('<LostQueue>');
    const targets = Object.entries(resourcesOf(template, 'AWS::Events::Rule')).map(([id, { Properties }]) => [
      id.replace(/[0-9A-F]{8}$/, ''),
      Properties.Targets.map(({ DeadLetterConfig }: Resource) => flat((DeadLetterConfig as { Arn: object }).Arn)),
    ]);
    expect(Object.fromEntries(targets)).toEqual({
      UploadsFiles: ['<UploadsUnhandledQueue>'],
      UploadsManifests: ['<UploadsUnhandledQueue>'],
      ConcluderEnded: ['<LostQueue>'],
    });
    expect(flat(propertiesOf(template, 'AWS::Scheduler::Schedule').Target.DeadLetterConfig.Arn)).toBe('<LostQueue>');
    for (const id of ['Reconciler', 'Concluder']) {
      expect(flat(lambda(id).DeadLetterConfig.TargetArn)).toBe('<LostQueue>');
    }
  });

  test('an execution that ends in another way than it should is concluded by its end', () => {
    const { EventPattern, Targets } = find('AWS::Events::Rule', 'ConcluderEnded');
    expect(EventPattern).toMatchObject({
      source: ['aws.states'],
      'detail-type': ['Step Functions Execution Status Change'],
      detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
    });
    const name = propertiesOf(template, 'AWS::StepFunctions::StateMachine').StateMachineName;
    expect(EventPattern.detail.stateMachineArn.map(flat)).toEqual([expect.stringMatching(`:stateMachine:${name}$`)]);
    expect(Targets.map(({ Arn }: { Arn: object }) => flat(Arn))).toEqual(['<ConcluderFunction>']);
  });
});

describe('the functions', () => {
  const settingsOf = (id: string) => {
    const variables = Object.entries(lambda(id).Environment.Variables as { [name: string]: object });
    return Object.fromEntries(variables.map(([name, value]) => [name, flat(value)]));
  };

  test.each(['Gatekeeper', 'Reconciler', 'Judge', 'Promoter', 'Concluder'])('%s finds the places', (id) => {
    expect(readPlaces(settingsOf(id))).toEqual({
      modelRepository: expect.stringMatching(/^s3:\/\/.*Repository.*\/models$/),
      datasets: expect.stringMatching(/^s3:\/\/.*Datasets.*\/datasets$/),
      snapshots: expect.stringMatching(/\/snapshots$/),
      staging: expect.stringMatching(/\/staging$/),
      ledger: expect.stringMatching(/\/control\/ledger$/),
      decisions: expect.stringMatching(/\/control\/decisions$/),
      budget: expect.stringMatching(/\/control\/budget$/),
    });
  });

  test.each(['Gatekeeper', 'Reconciler', 'Concluder'])('%s reaches the workflow and people', (id) => {
    const { StateMachineName } = propertiesOf(template, 'AWS::StepFunctions::StateMachine');
    const { stateMachines, topic } = readReach(settingsOf(id));
    expect(stateMachines).toEqual({ digits: expect.stringMatching(`:stateMachine:${StateMachineName}$`) });
    expect(topic).toBe('<Topic>');
  });

  test('the judge runs in the image, and with the memory, of what serves', () => {
    const { serving } = deploymentWith({ memoryMb: 2048, architecture: 'arm64' });
    const retraining = retrainingWith({ memoryMb: 2048, architecture: 'arm64' });
    const judging = Object.values(resourcesOf(retraining, 'AWS::Lambda::Function')).find(
      ({ Properties }) => Properties.PackageType === 'Image',
    )?.Properties;
    const answering = Object.values(resourcesOf(serving, 'AWS::Lambda::Function')).find(
      ({ Properties }) => Properties.PackageType === 'Image',
    )?.Properties;
    expect(judging.ImageConfig).toEqual({ Command: ['judge.handler'] });
    for (const property of ['Code', 'MemorySize', 'Architectures', 'EphemeralStorage']) {
      expect(judging[property]).toEqual(answering[property]);
    }
  });
});

/** What CDK adds for the log of a state machine: none of it knows resources. */
const DELIVERY_OF_LOGS = [
  'CreateLogDelivery',
  'DeleteLogDelivery',
  'DescribeLogGroups',
  'DescribeResourcePolicies',
  'GetLogDelivery',
  'ListLogDeliveries',
  'PutResourcePolicy',
  'UpdateLogDelivery',
].map((verb) => `logs:${verb} on *`);

describe('rights', () => {
  const { ProgramRole = [], ...roles } = rightsOf(template);
  const logOf = (id: string) => [`logs:CreateLogStream on <${id}Logs>`, `logs:PutLogEvents on <${id}Logs>`];
  const tracing = ['xray:PutTelemetryRecords on *', 'xray:PutTraceSegments on *'];
  const listing = (bucket: string, prefixes: string[], action = 'ListBucket') =>
    `s3:${action} on <${bucket}> if ${JSON.stringify({ StringLike: { 's3:prefix': prefixes } })}`;
  const { StateMachineName } = propertiesOf(template, 'AWS::StepFunctions::StateMachine');
  const states = (kind: string) =>
    `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:${kind}:${StateMachineName}`;
  const consuming = (queueId: string) =>
    ['ChangeMessageVisibility', 'DeleteMessage', 'GetQueueAttributes', 'GetQueueUrl', 'ReceiveMessage'].map(
      (verb) => `sqs:${verb} on <${queueId}>`,
    );
  const control = ['ledger', 'budget'].flatMap((part) =>
    ['GetObject', 'PutObject'].map((verb) => `s3:${verb} on <Repository>/control/${part}/*`),
  );
  const starting = [`states:StartExecution on ${states('stateMachine')}`, 'sns:Publish on <Topic>'];
  const gatekeeping = [
    's3:GetObject on <Datasets>/datasets/*',
    's3:GetObjectVersion on <Datasets>/datasets/*',
    listing('Datasets', ['datasets/*']),
    listing('Datasets', ['datasets/*'], 'ListBucketVersions'),
    's3:GetObject on <Repository>/models/*',
    's3:GetObject on <Repository>/snapshots/*',
    's3:PutObject on <Repository>/snapshots/*',
    's3:PutObject on <Repository>/models/*/evaluation.tar',
    ...control,
    listing('Repository', ['models/*', 'snapshots/*', 'control/ledger/*', 'control/budget/*']),
    ...starting,
  ];

  test.each<[string, string[]]>([
    [
      'GatekeeperRole',
      [
        ...logOf('Gatekeeper'),
        ...tracing,
        ...gatekeeping,
        ...consuming('UploadsFilesQueue'),
        ...consuming('UploadsManifestsQueue'),
      ],
    ],
    [
      'ReconcilerRole',
      [
        ...logOf('Reconciler'),
        ...tracing,
        ...gatekeeping,
        `states:DescribeExecution on ${states('execution')}:*`,
        'sqs:SendMessage on <LostQueue>',
      ],
    ],
    ['HourlyRole', ['lambda:InvokeFunction on <ReconcilerFunction>', 'sqs:SendMessage on <LostQueue>']],
    [
      'JudgeRole',
      [
        ...logOf('Judge'),
        ...tracing,
        's3:GetObject on <Repository>/models/*',
        's3:GetObject on <Repository>/staging/*',
        's3:GetObject on <Repository>/control/decisions/*',
        's3:PutObject on <Repository>/control/decisions/*',
        listing('Repository', ['models/*', 'staging/*', 'control/decisions/*']),
      ],
    ],
    [
      'PromoterRole',
      [
        ...logOf('Promoter'),
        ...tracing,
        's3:GetObject on <Repository>/models/*',
        's3:PutObject on <Repository>/models/*',
        's3:GetObject on <Repository>/staging/*',
        's3:GetObject on <Repository>/snapshots/*/manifest.json',
        's3:GetObject on <Repository>/control/decisions/*',
        listing('Repository', ['models/*', 'staging/*', 'snapshots/*', 'control/decisions/*']),
      ],
    ],
    [
      'ConcluderRole',
      [
        ...logOf('Concluder'),
        ...tracing,
        's3:GetObject on <Repository>/models/*',
        ...control,
        listing('Repository', ['models/*', 'control/ledger/*', 'control/budget/*']),
        ...starting,
        'sqs:SendMessage on <LostQueue>',
      ],
    ],
    ['digitsTrainRole', TRAINING_RIGHTS.map(inThisStack)],
    [
      'digitsStateMachineRole',
      [
        ...machineRights(
          'TrainingJob',
          'training-job/digits-*',
          'StepFunctionsGetEventsForSageMakerTrainingJobsRule',
        ).map(inThisStack),
        ...['Concluder', 'Judge', 'Promoter'].map((id) => `lambda:InvokeFunction on <${id}Function>`),
        'sqs:SendMessage on <FailuresQueue>',
        ...tracing,
        'xray:GetSamplingRules on *',
        'xray:GetSamplingTargets on *',
        ...DELIVERY_OF_LOGS,
      ],
    ],
  ])('%s: exactly these', (role, expected) => {
    expect(roles[role]).toEqual(expected.toSorted());
  });

  test('no other role is there but that of the seed, which brings the program', () => {
    expect(Object.keys(roles)).toHaveLength(8);
    const others = ProgramRole.filter((right) => !/^s3:GetObject on .*cdk-hnb659fds-assets-.*\.py$/.test(right));
    expect(others).toEqual([
      ...logOf('Program'),
      's3:GetObject on <Repository>/code/*',
      's3:ListBucket on <Repository>',
      's3:PutObject on <Repository>/code/*',
      ...tracing,
    ]);
  });

  test('nothing of the loop may write where an upload would start it', () => {
    for (const [role, rights] of Object.entries(roles)) {
      const writes = rights.filter((right) => /^s3:(Put|Delete|\*)/.test(right) && right.includes('<Datasets>'));
      expect([role, writes]).toEqual([role, []]);
    }
  });

  test('only what promotes may write models, but for a held-out set', () => {
    const writers = Object.entries(roles).filter(([, rights]) =>
      rights.includes('s3:PutObject on <Repository>/models/*'),
    );
    expect(writers.map(([role]) => role)).toEqual(['PromoterRole']);
  });
});

/** Rights of a stack whose account and region are known, as they are in one that may go anywhere. */
function inThisStack(right: string): string {
  return right
    .replace('763104351884', '<DlcRepositoryAccountMap>')
    .replaceAll('eu-west-1', '<AWS::Region>')
    .replaceAll('111122223333', '<AWS::AccountId>')
    .replaceAll('<Artifacts>', '<Repository>')
    .replaceAll('<TrainRole>', '<digitsTrainRole>');
}
