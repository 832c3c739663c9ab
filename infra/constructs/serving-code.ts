import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { Architecture, DockerImageCode } from 'aws-cdk-lib/aws-lambda';
import type { DeploymentConfig } from '../config.ts';
import { servingImageContext } from '../images/serving-image.ts';
import { stagedOnce } from '../images/staging.ts';

const PLATFORMS = {
  x86_64: { architecture: Architecture.X86_64, platform: Platform.LINUX_AMD64 },
  arm64: { architecture: Architecture.ARM_64, platform: Platform.LINUX_ARM64 },
};

/** The image with ONNX Runtime, made once: the service runs in it, and so does the judge of new models. */
export class ServingCode {
  readonly architecture: Architecture;
  readonly #context: string;
  readonly #options: { readonly platform: Platform; readonly buildArgs: { readonly [name: string]: string } };

  constructor({ architecture, modelRepository, baseImage }: DeploymentConfig) {
    const { platform, architecture: ofLambda } = PLATFORMS[architecture];
    this.architecture = ofLambda;
    const content = { architecture, ...(modelRepository === 'image' ? { bakedRepository: 'model-artifacts' } : {}) };
    this.#context = stagedOnce(`serving image ${JSON.stringify(content)}`, () => servingImageContext(content));
    this.#options = { platform, buildArgs: { BASE_IMAGE: baseImage } };
  }

  /** @param handler one of the image's, as `file.export`; the image's own is `lambda.handler` */
  code(handler?: string): DockerImageCode {
    return DockerImageCode.fromImageAsset(this.#context, {
      ...this.#options,
      ...(handler === undefined ? {} : { cmd: [handler] }),
    });
  }
}
