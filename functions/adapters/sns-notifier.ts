import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Notifier } from '../retrain/ports.ts';

/** Tells the subscribers of a topic; the fields are attributes of the message, by which a subscription can filter. */
export class SnsNotifier implements Notifier {
  readonly #client = new SNSClient();
  readonly #topicArn: string;

  constructor(topicArn: string) {
    this.#topicArn = topicArn;
  }

  async notify(Subject: string, Message: string, fields: { readonly [name: string]: string }): Promise<void> {
    const attributes = Object.entries(fields).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]);
    await this.#client.send(
      new PublishCommand({
        TopicArn: this.#topicArn,
        Subject,
        Message,
        MessageAttributes: Object.fromEntries(attributes),
      }),
    );
  }
}
