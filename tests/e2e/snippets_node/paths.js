const path = require('path');
console.log(path.join('/a', '..', 'b', './c.txt'), path.resolve('/x', 'y', '../z'), path.relative('/a/b/c', '/a/d'), path.parse('/h/f.tar.gz'), path.format({ dir: '/d', name: 'n', ext: '.e' }));
console.log(path.normalize('/a//b/../c/.'), path.extname('.bashrc'), path.basename('/q/w.html', '.html'), path.isAbsolute('a'), path.win32.join('a', '..\\b'), path.posix === path, path.sep + path.delimiter);
