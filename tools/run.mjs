// Entry of `npm start`, `npm test` and the other commands: checks the Node version, sets up what is missing, then runs.
// Kept free of newer syntax at the top, so that an old Node prints a sentence instead of a syntax error.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`fedcarbon needs Node 20.19 or newer, but this is Node ${process.versions.node}: install a newer one.`);
  process.exit(1);
}

const [command, ...args] = process.argv.slice(2);

/** Runs another script of the repository in this process, as if it had been started by hand. */
async function become(script, scriptArgs) {
  const { pathToFileURL, fileURLToPath } = await import('node:url');
  const path = fileURLToPath(new URL(script, import.meta.url));
  process.argv = [process.argv[0], path, ...scriptArgs];
  await import(pathToFileURL(path).href);
}

try {
  const { setUp } = await import('./setup.mjs');
  await setUp();
} catch (error) {
  console.error(error.expected ? error.message : error);
  process.exit(1);
}

if (command === 'test') await become('test.mjs', args);
else if (command === 'bench') await become('bench.mjs', args);
else if (command.startsWith('study/')) await become(`${command}.mjs`, args);
else if (command === 'cli') await become('../apps/cli/dist/main.js', args);
else await become('../apps/cli/dist/main.js', [command, ...args]);
