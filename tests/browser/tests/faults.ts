// What axe-core finds wrong with a page: serious and critical faults of access.

import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'

/** In the dark only colours differ, so that the rest is looked at in the light alone. */
const RULES_OF_COLOUR = ['color-contrast', 'link-in-text-block']

export async function faultsOf(page: Page): Promise<string[]> {
  const isDark = await page.evaluate(() => document.documentElement.dataset.theme === 'dark')
  const builder = new AxeBuilder({ page }).exclude('iframe')
  const { violations } = await (isDark ? builder.withRules(RULES_OF_COLOUR) : builder).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes
        // The arrow keys move through a long menu, and scroll it.
        .filter((node) => id !== 'scrollable-region-focusable' || !node.html.includes('role="menu"'))
        .map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
    )
}
