import { CfnOutput } from 'aws-cdk-lib';
import { DomainName, EndpointType, type RestApi, SecurityPolicy } from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { Construct } from 'constructs';

/** The API under a name of one's own, whose DNS record the owner makes. */
export class CustomDomain extends Construct {
  constructor(scope: Construct, id: string, domainName: string, certificateArn: string, api: RestApi) {
    super(scope, id);
    const domain = new DomainName(this, 'Domain', {
      domainName,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn),
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS_1_2,
    });
    domain.addBasePathMapping(api);
    new CfnOutput(this, 'CustomDomainTarget', {
      description: `The name that a CNAME record of ${domainName} must have`,
      value: domain.domainNameAliasDomainName,
    });
  }
}
