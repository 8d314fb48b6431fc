import { Module } from '@nestjs/common';
import { parkedRows } from '@capstan/service-kit';
import { ForgetLoop } from './forget/forget.loop.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';

const parked = parkedRows('webhooks', [], parkedVerbs);

/**
 * The whole wiring of webhooks: deliveries are taken by a plain intake before any parser, see main.ts. What it hears of
 * events is only that somebody has seen to a parked delivery.
 */
@Module({ controllers: [...parked.controllers], providers: [...parked.providers, ForgetLoop] })
export class WebhooksModule {}
