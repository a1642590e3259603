// Regenerates everything that is derived from other files in the repository.
import './prisma-generate.mjs';
import './sync-references.mjs';
