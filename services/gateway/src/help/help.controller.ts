import { Controller } from '@nestjs/common';
import { routes, symptomList } from '@capstan/api';
import { Serves } from '../http/serves.js';

/** What people may look up. */
@Controller()
export class HelpController {
  @Serves(routes.listSymptoms)
  async symptoms() {
    return symptomList();
  }
}
