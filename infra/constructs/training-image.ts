import { Aws, Stack, Token } from 'aws-cdk-lib';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { FactName, RegionInfo } from 'aws-cdk-lib/region-info';
import type { Construct } from 'constructs';
import { WrongConfig } from '../config.ts';
import { trainingImageContext } from '../images/training-image.ts';
import { hasGpu, PROJECT_IMAGE, type TrainingOptions } from '../training-options.ts';

export type TrainingImage = {
  readonly uri: string;
  /** Of the one repository that it is pulled from. */
  readonly repositoryArn: string;
};

/**
 * AWS's PyTorch containers for SageMaker. From 2.11 on their repository is `pytorch`; older ones are based on an Ubuntu
 * that is no longer patched.
 * https://github.com/aws/deep-learning-containers
 */
const REPOSITORY = 'pytorch';
const TAGS = { cpu: '2.13-cpu-amzn2023-sagemaker', gpu: '2.13-cu133-amzn2023-sagemaker' };

/**
 * The image that a model is trained in: its own, the project's, or AWS's of the region, for CPU or GPU as the instance has it.
 * @throws WrongConfig in a region that AWS's containers are not known to be in
 */
export function trainingImage(
  scope: Construct,
  { instanceType, image }: Pick<TrainingOptions, 'instanceType' | 'image'>,
): TrainingImage {
  if (image === PROJECT_IMAGE) return projectImage(scope);
  if (image !== undefined) return imageOf(image);
  const stack = Stack.of(scope);
  const account = Token.isUnresolved(stack.region)
    ? // Known only when it is deployed: a mapping of all regions decides.
      stack.regionalFact(FactName.DLC_REPOSITORY_ACCOUNT)
    : RegionInfo.get(stack.region).dlcRepositoryAccount;
  if (account === undefined) {
    throw new WrongConfig(
      `training.json: image is not set; expected an image of your own, as AWS's PyTorch containers are not known to be in ${stack.region}`,
    );
  }
  const tag = hasGpu(instanceType) ? TAGS.gpu : TAGS.cpu;
  return {
    uri: `${account}.dkr.ecr.${stack.region}.${Aws.URL_SUFFIX}/${REPOSITORY}:${tag}`,
    repositoryArn: `arn:${Aws.PARTITION}:ecr:${stack.region}:${account}:repository/${REPOSITORY}`,
  };
}

/** Made of functions/train/Dockerfile, once for all models of a stack: one repository, one right to pull. */
function projectImage(scope: Construct): TrainingImage {
  const stack = Stack.of(scope);
  const found = stack.node.tryFindChild('TrainingImage') as DockerImageAsset | undefined;
  const asset =
    found ??
    new DockerImageAsset(stack, 'TrainingImage', { directory: trainingImageContext(), platform: Platform.LINUX_AMD64 });
  return { uri: asset.imageUri, repositoryArn: asset.repository.repositoryArn };
}

function imageOf(uri: string): TrainingImage {
  const [, account, region, repository] = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z.]+\/([^:@]+)/.exec(uri) ?? [];
  return { uri, repositoryArn: `arn:${Aws.PARTITION}:ecr:${region}:${account}:repository/${repository}` };
}
