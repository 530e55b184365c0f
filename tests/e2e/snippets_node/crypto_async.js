const crypto = require('crypto');
const { promisify } = require('util');
(async () => {
  const many = await Promise.all(Array.from({ length: 12 }, (_, i) => promisify(crypto.pbkdf2)(`p${i}`, 's', 2000, 8, 'sha512')));
  console.log(many.map((b) => b.toString('hex')).join(' '));
  console.log((await promisify(crypto.scrypt)('p', 's', 16, { N: 2048 })).toString('hex'));
  console.log((await promisify(crypto.randomBytes)(100)).length, (await promisify(crypto.randomFill)(Buffer.alloc(7))).length);
  const { publicKey, privateKey } = await promisify(crypto.generateKeyPair)('rsa', { modulusLength: 1024 });
  const sealed = crypto.publicEncrypt(publicKey, Buffer.from('for you'));
  console.log(crypto.privateDecrypt(privateKey, sealed).toString());
  console.log(await promisify(crypto.checkPrime)(2n ** 61n - 1n), (await promisify(crypto.generatePrime)(32)).byteLength);
  crypto.sign('sha256', Buffer.from('m'), privateKey, (e, s) => console.log(crypto.verify('sha256', Buffer.from('m'), publicKey, s)));
})();
