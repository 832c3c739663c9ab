// The Lambda function behind the custom resource that brings model-artifacts/ into the model repository at a deployment.

import { answerCloudFormation, type CustomResourceEvent } from '../adapters/cloudformation.ts';
import { type SeedFile, seedRepository } from '../adapters/s3-seeder.ts';

export async function handler(event: CustomResourceEvent): Promise<void> {
  await answerCloudFormation(event, async () => {
    // Models outlive the deployment that brought them.
    if (event.RequestType === 'Delete') return;
    const { Bucket, Files } = event.ResourceProperties as unknown as { Bucket: string; Files: SeedFile[] };
    const created = await seedRepository(Bucket, Files);
    console.log(JSON.stringify({ created }));
  });
}
