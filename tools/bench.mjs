// `npm run bench`: speed of the parts that a federation waits for, as a table. Nothing is measured yet.
console.error('There is no benchmark yet.');
process.exitCode = 1;
