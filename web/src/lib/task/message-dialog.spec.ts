import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { messageHint } from '#lib/words.ts';
import MessageDialog from './message-dialog.svelte';

function opened(draft = '') {
  const sent: string[] = [];
  const view = render(MessageDialog, {
    open: true,
    draft,
    hint: messageHint('running'),
    onsend: (text: string) => void sent.push(text),
  });
  return { sent, view };
}
const box = () => screen.getByLabelText<HTMLTextAreaElement>('Message');

describe('a message to the agent', () => {
  it('says what comes of it, and is sent without its outer blanks', async () => {
    const { sent } = opened();
    expect(screen.getByRole('dialog').textContent).toContain('hears it at once');
    await fireEvent.input(box(), { target: { value: '  Use integers.\n' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Send' }));
    expect(sent).toEqual(['Use integers.']);
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  });

  it('is not sent empty, not even by the keyboard', async () => {
    const { sent } = opened('  ');
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true);
    await fireEvent.keyDown(box(), { key: 'Enter', ctrlKey: true });
    expect(sent).toEqual([]);
  });

  it('goes by Ctrl and Enter, while Enter alone is a line of its own', async () => {
    const { sent } = opened('Use integers.');
    await fireEvent.keyDown(box(), { key: 'Enter' });
    expect(sent).toEqual([]);
    await fireEvent.keyDown(box(), { key: 'Enter', ctrlKey: true });
    expect(sent).toEqual(['Use integers.']);
  });
});
