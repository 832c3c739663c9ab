import { z } from 'zod';
import { WrongConfig } from './config.ts';
import { GUARD_OPTIONS } from './guard-options.ts';
import { flag, integer, listOf, matching, oneOf, show } from './schema.ts';
import { SEARCH } from './search-options.ts';

/** The file of a model's folder. */
export const TRAINING_FILE = 'training.json';

/** What a hyper-parameter may be called: an option of the training program. */
const HYPER_PARAMETER = /^[a-z][a-z0-9-]{0,62}$/;
/** Of the API. */
const MAX_RANGES = 30;
const hyperParameter = z.union([z.string(), z.number(), z.boolean()], { error: 'a text, a number, true or false' });

/** The image of functions/train/Dockerfile. */
export const PROJECT_IMAGE = 'project';

/** Whether an instance type is one of those with accelerators. */
export function hasGpu(instanceType: string): boolean {
  return /^ml\.(g|p|trn)\d/.test(instanceType);
}

/** Every option of `model-artifacts/<model>/training.json`: how the model is trained on AWS. */
export const TRAINING_OPTIONS = {
  image: matching(
    /^project$|^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.[a-z.]+\/[\w./-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$/,
    'project, or an image of an ECR repository, like 111122223333.dkr.ecr.eu-west-1.amazonaws.com/training:1',
  ).optional(),
  instanceType: matching(/^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$/, 'an instance type like ml.m5.xlarge').default(
    'ml.m5.xlarge',
  ),
  instanceCount: integer(1, 16).default(1),
  volumeGb: integer(1, 16_384).default(10),
  volumeKmsKeyArn: matching(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, 'the ARN of a KMS key').optional(),
  spot: flag().default(false),
  checkpoints: flag().default(true),
  maxRunSeconds: integer(60, 432_000).default(3_600),
  maxWaitSeconds: integer(60, 2_592_000).optional(),
  retries: integer(0, 30).default(2),
  inputMode: oneOf(['File', 'FastFile']).default('File'),
  hyperParameters: z
    .record(z.string(), hyperParameter, { error: 'an object of options of the training program' })
    .default({}),
  metrics: listOf(matching(/^[\w-]{1,255}$/, 'names of metrics'), 'a list of names of metrics').default([
    'loss',
    'val_accuracy',
    'held_out_accuracy',
  ]),
  search: SEARCH.optional(),
  ...GUARD_OPTIONS,
} satisfies { [option: string]: z.ZodType };

const SCHEMA = z.strictObject(TRAINING_OPTIONS).superRefine((options, context) => {
  const refuse = (option: keyof typeof TRAINING_OPTIONS, expected: string): void =>
    context.addIssue({ code: 'custom', path: [option], message: expected, input: options[option] });
  // A job on spot capacity is ended and started again: without checkpoints from the beginning, each time.
  if (options.spot && !options.checkpoints) refuse('spot', 'false, as checkpoints is false');
  // Its PyTorch is the build without CUDA.
  if (options.image === PROJECT_IMAGE && hasGpu(options.instanceType)) {
    refuse('instanceType', 'one without a GPU, as image is project');
  }
  const isWrong = (name: string) => !HYPER_PARAMETER.test(name);
  const given = Object.keys(options.hyperParameters);
  if (given.some(isWrong)) refuse('hyperParameters', 'names of small letters, digits and dashes');
  const tried = Object.keys(options.search?.ranges ?? {});
  if (given.includes('name')) refuse('hyperParameters', 'no name, which is that of the model’s folder');
  if (tried.includes('name')) refuse('search', 'no range of name, which is that of the model’s folder');
  if (tried.some(isWrong)) refuse('search', 'names of small letters, digits and dashes in ranges');
  const twice = tried.find((name) => given.includes(name));
  if (twice !== undefined) refuse('search', `no range of ${twice}, which is one of hyperParameters`);
  if (options.search !== undefined && (tried.length === 0 || tried.length > MAX_RANGES)) {
    refuse('search', `1 to ${MAX_RANGES} ranges`);
  }
  if (options.search !== undefined && options.search.parallelJobs > options.search.jobs) {
    refuse('search', `a number of parallelJobs that is at most that of jobs, ${options.search.jobs}`);
  }
  // The jobs of a search would write their checkpoints to one folder.
  if (options.search !== undefined && options.spot) refuse('spot', 'false, as search tries several jobs');
  const { maxWaitSeconds: wait, maxRunSeconds: run } = options;
  if (wait !== undefined && !options.spot) refuse('maxWaitSeconds', 'none, as spot is false');
  if (wait !== undefined && wait < run) refuse('maxWaitSeconds', `at least maxRunSeconds, ${run}`);
});

export type TrainingOptions = z.infer<typeof SCHEMA>;

/**
 * @param file the path of the training.json, as it is shown to people
 * @param text its content
 * @throws WrongConfig with the first thing that is wrong
 */
export function readTrainingOptions(file: string, text: string): TrainingOptions {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new WrongConfig(`${file} is no JSON: ${(error as Error).message}`);
  }
  const { error, data } = SCHEMA.safeParse(found, { reportInput: true });
  const [issue] = error?.issues ?? [];
  if (issue === undefined) return data as TrainingOptions;
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const option = [...issue.path, issue.keys[0]].join('.');
    throw new WrongConfig(`${file}: ${option} is unknown; expected ${knownBeside(issue.path)}`);
  }
  if (path === '') throw new WrongConfig(`${file} is ${show(found)}; expected an object of options`);
  throw new WrongConfig(`${file}: ${path} is ${show(issue.input)}; expected ${issue.message}`);
}

function knownBeside([option]: readonly PropertyKey[]): string {
  if (option === undefined) return `one of ${Object.keys(TRAINING_OPTIONS).join(', ')}`;
  return (
    z
      .object(TRAINING_OPTIONS)
      .partial()
      .safeParse({ [option]: Symbol() }).error?.issues[0]?.message ?? ''
  );
}
