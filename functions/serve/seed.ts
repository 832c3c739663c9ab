// The Lambda function behind the custom resource that brings files of this project into a bucket at a deployment: the models
// of model-artifacts/, and the training program.

import { answerCloudFormation, type CustomResourceEvent } from '../adapters/cloudformation.ts';
import { type SeedFile, seedFiles } from '../adapters/s3-seeder.ts';

export async function handler(event: CustomResourceEvent): Promise<void> {
  await answerCloudFormation(event, async () => {
    // Files outlive the deployment that brought them.
    if (event.RequestType === 'Delete') return;
    const { Bucket, Files } = event.ResourceProperties as unknown as { Bucket: string; Files: SeedFile[] };
    const created = await seedFiles(Bucket, Files);
    console.log(JSON.stringify({ created }));
  });
}
