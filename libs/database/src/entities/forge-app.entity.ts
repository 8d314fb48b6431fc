import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An app that was registered at a forge. Owner: gateway. */
@Entity('forge_app')
export class ForgeApp {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('uuid')
  workspaceId!: string;
  @Column('text')
  forge!: string;
  /** Without a slash at the end. */
  @Column('text')
  apiUrl!: string;
  /** The forge's own number of it. */
  @Column('int')
  appId!: number;
  @Column('text')
  slug!: string;
  @Column('text')
  name!: string;
  /** Login. */
  @Column('text')
  owner!: string;
  /** Its page at the forge. */
  @Column('text')
  url!: string;
  /** Name of the workspace's secret that holds its private key; repositories that use the app name it too. */
  @Column('text')
  credentialSecret!: string;
  /** Name of the secret that its deliveries are signed with; null where it sends none. */
  @Column('text', { nullable: true })
  webhookSecret!: string | null;
  @Column('timestamptz')
  createdAt!: Date;
  @Column('timestamptz', { nullable: true })
  removedAt!: Date | null;
}
