const d = new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 123));
console.log(d.toISOString(), d.toJSON(), d.getTimezoneOffset(), d.getDay(), Date.parse('2024-02-29T12:30:15.123+02:00'));
console.log(d.toLocaleDateString('en-GB'), d.toLocaleTimeString('en-US', { timeZone: 'America/New_York' }), d.toString());
d.setUTCMonth(12); console.log(d.getUTCFullYear(), new Date(NaN).getTime(), String(new Date('x')));
console.log(new Date(2024, 2, 31, 2, 30).toLocaleString('de', { timeZone: 'Europe/Berlin' }), Intl.DateTimeFormat().resolvedOptions().timeZone);
console.log(Math.abs(Date.now() - performance.timeOrigin - performance.now()) < 1000);
