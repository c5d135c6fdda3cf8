// What people do with dockerode, on the engine that DOCKER_HOST names.
'use strict';
const assert = require('assert');
const { createHash, randomBytes, randomUUID } = require('crypto');
const { once } = require('events');
const { PassThrough } = require('stream');
const { execFileSync } = require('child_process');
const Docker = require('dockerode');

const docker = new Docker();
const name = 'js-' + randomUUID().slice(0, 12);

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// The two outputs of a multiplexed stream, as text, when it has ended.
async function outputs(stream) {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  return (await Promise.all([collect(out), collect(err)])).map(String);
}

// A tar archive of one file.
function tar(file, content) {
  const header = Buffer.alloc(512);
  header.write(file, 0);
  header.write('0000644\0' + '0000000\0' + '0000000\0', 100);
  header.write(content.length.toString(8).padStart(11, '0') + '\0' + '00000000000\0', 124);
  header.write(' '.repeat(8) + '0', 148);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(sum.toString(8).padStart(6, '0') + '\0 ', 148);
  const padding = Buffer.alloc((512 - content.length % 512) % 512 + 1024);
  return Buffer.concat([header, content, padding]);
}

async function main() {
  assert.equal((await docker.ping()).toString(), 'OK');
  assert.ok((await docker.version()).ApiVersion);
  assert.ok((await docker.info()).ID);

  // run, with both outputs. The client waits for it once it has started, when a shorter one may be gone.
  const out = new PassThrough();
  const ran = await docker.run('busybox', ['sh', '-c', 'echo hi; sleep 1'], out, { HostConfig: { AutoRemove: true } });
  assert.equal(ran[0].StatusCode, 0);
  assert.equal(out.read().toString(), 'hi\r\n');

  // create, attach, start, talk
  const container = await docker.createContainer({
    Image: 'busybox', name, Labels: { test: name },
    Cmd: ['sh', '-c', 'echo up; while read x; do echo got $x; done; echo over >&2; exit 3'],
    OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
  });
  const attached = await container.attach(
    { stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const said = outputs(attached);
  await container.start();
  const waited = container.wait();
  const listed = await docker.listContainers({ filters: { label: ['test=' + name] } });
  assert.equal(listed[0].Id, container.id);

  // statistics, events and logs flow
  const stats = await container.stats({ stream: true });
  assert.ok((await once(stats, 'data'))[0].toString().includes(container.id));
  stats.destroy();
  const events = await docker.getEvents({ filters: { container: [name] } });
  const paused = once(events, 'data');
  await container.pause();
  assert.equal(JSON.parse((await paused)[0]).Action, 'pause');
  await container.unpause();
  events.destroy();
  const logs = await container.logs({ follow: true, stdout: true });
  assert.ok((await once(logs, 'data'))[0].toString().includes('up'));

  // exec, with stdin
  const exec = await container.exec(
    { Cmd: ['sha256sum'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const hijacked = await exec.start({ hijack: true, stdin: true });
  const big = randomBytes(5 << 20);
  const summed = outputs(hijacked);
  hijacked.end(big);
  const sum = createHash('sha256').update(big).digest('hex');
  assert.ok((await summed)[0].startsWith(sum));
  assert.equal((await exec.inspect()).ExitCode, 0);
  const plain = await container.exec({ Cmd: ['seq', '1000'], AttachStdout: true });
  assert.ok((await outputs(await plain.start({})))[0].endsWith('1000\n'));

  // archives
  await container.putArchive(tar('big', big), { path: '/tmp' });
  const back = await collect(await container.getArchive({ path: '/tmp/big' }));
  assert.ok(back.subarray(512, 512 + big.length).equals(big));
  assert.ok((await container.changes()).length > 0);

  // the end of stdin is the end of the container
  attached.write('one\n');
  attached.end();
  assert.equal((await waited).StatusCode, 3);
  assert.deepEqual(await said, ['up\ngot one\n', 'over\n']);
  await container.commit({ repo: name });
  await container.remove();
  await assert.rejects(container.inspect(), { statusCode: 404 });

  // images
  const image = docker.getImage(name);
  assert.ok((await image.inspect()).RepoTags.includes(name + ':latest'));
  const saved = await collect(await image.get());
  await image.remove();
  const follow = (stream) => new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (error, result) => error ? reject(error) : resolve(result)));
  await follow(await docker.loadImage(saved));
  await image.tag({ repo: name, tag: 'again' });
  await docker.getImage(name + ':again').remove();
  await image.remove();
  // No other test has this image, which could not be removed while a container there uses it.
  const context = tar('Dockerfile', Buffer.from(`FROM busybox\nRUN echo ${name} >/marker\n`));
  const built = await follow(await docker.buildImage(PassThrough.from([context]), { t: name }));
  assert.ok(built.some((line) => (line.stream || '').includes('Successfully built')), built);
  await image.remove();
  assert.ok((await docker.listImages()).length > 0);

  // networks and volumes
  const network = await docker.createNetwork({ Name: name, Internal: true });
  assert.equal((await network.inspect()).Internal, true);
  await network.remove();
  const volume = await docker.createVolume({ Name: name });
  assert.equal((await docker.getVolume(name).inspect()).Driver, 'local');
  await docker.getVolume(name).remove();
  assert.ok(volume);
  console.log('all done');
}

main().catch((error) => { console.error(error); process.exit(1); });
