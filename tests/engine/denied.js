// What dockerode says where only CONTAINERS is granted, on the engine that DOCKER_HOST names.
'use strict';
const assert = require('assert');
const Docker = require('dockerode');

const docker = new Docker();

async function denied(call, lack) {
  await assert.rejects(call, (error) => {
    assert.equal(error.statusCode, 403);
    const said = error.message.trimEnd();
    assert.ok(said.includes(' dockgate: ') && said.endsWith(' is not allowed: set ' + lack), said);
    return true;
  });
}

async function main() {
  assert.ok(Array.isArray(await docker.listContainers()));
  await denied(docker.listImages(), 'ALLOW_IMAGE_LIST=1, or IMAGES=1');
  await denied(docker.createContainer({ Image: 'busybox' }), 'ALLOW_CREATE=1, or POST=1');
  const some = docker.getContainer('some');
  await denied(some.exec({ Cmd: ['true'] }), 'ALLOW_EXEC=1, or EXEC=1 and POST=1');
  await denied(some.attach({ stream: true, hijack: true, stdin: true }), 'ALLOW_ATTACH=1, or POST=1');
  await denied(some.putArchive(Buffer.alloc(5 << 20), { path: '/' }), 'ALLOW_COPY=1, or POST=1');
  console.log('all denied');
}

main().catch((error) => { console.error(error); process.exit(1); });
