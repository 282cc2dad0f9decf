import { dirname, join } from 'node:path/posix';
import type { RepositoryFile } from '../repository.ts';

/** A link of a Markdown file to another file of the repository, or to a heading. */
interface Link {
  readonly target: string;
  readonly anchor: string | undefined;
}

/** Relative links that lead nowhere, one sentence each. `exists` tells of any path from the repository's root. */
export function brokenLinks(files: readonly RepositoryFile[], exists: (path: string) => boolean): readonly string[] {
  const anchors = new Map(files.map(({ path, text }) => [path, anchorsOf(text)]));
  return files.flatMap(({ path, text }) =>
    linksOf(text).flatMap(({ target, anchor }) => {
      const to = target === '' ? path : join(dirname(path), target);
      if (!exists(to)) return [`${path} links to ${target}, which does not exist`];
      if (anchor === undefined || !anchors.has(to) || anchors.get(to)?.has(anchor)) return [];
      return [`${path} links to ${target}#${anchor}, but there is no such heading`];
    }),
  );
}

function linksOf(text: string): readonly Link[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [target = '', anchor] = link.split('#');
      return { target, anchor };
    });
}

/** The anchors that a page of this text has: its headings in lower case, punctuation dropped, spaces as hyphens. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`(?!\])/g, (code) => code.replace(/[[\]()]/g, ''));
}
