import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { Credentials } from './sigv4.ts';

/**
 * The caller's AWS credentials from where the AWS CLI finds them: environment, profile, SSO, role. Kept until shortly
 * before they end.
 * @throws where there are none
 */
export function awsCredentials(profile: string | undefined): () => Promise<Credentials> {
  return defaultProvider(profile === undefined ? {} : { profile });
}
