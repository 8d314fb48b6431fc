import { Module } from '@nestjs/common';

/** The whole wiring of webhooks: its one verb is a plain intake before any parser, see main.ts. It handles no event. */
@Module({})
export class WebhooksModule {}
