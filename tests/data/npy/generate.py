# Wrote golden_stored.npz, golden_deflated.npz, version2.npy and version3.npy with NumPy 1.24.
import numpy as np

values = np.arange(12).reshape(3, 4)
arrays = {}
for dtype in ['?', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'f2', 'f4', 'f8', '>f4', '>i2']:
    name = 'c_' + dtype.replace('?', 'b1').replace('>', 'be')
    arrays[name] = (values % 2 if dtype == '?' else values).astype(dtype)
arrays['fortran'] = np.asfortranarray(np.arange(12).reshape(2, 3, 2).astype('f4') * 0.5)
arrays['scalar'] = np.float64(-2.25)
arrays['empty'] = np.zeros((0, 5), 'i8')
arrays['negative'] = np.array([-1, -128, 127], 'i1')
arrays['half'] = np.array([65504, 2**-24, -0.0, np.inf, np.nan], 'f2')
np.savez('golden_stored.npz', **arrays)
np.savez_compressed('golden_deflated.npz', **arrays, long=np.arange(5000))
with open('version2.npy', 'wb') as file:
    np.lib.format.write_array(file, np.arange(6, dtype='f4').reshape(2, 3), version=(2, 0))
with open('version3.npy', 'wb') as file:
    np.lib.format.write_array(file, np.arange(6, dtype='i8').reshape(3, 2), version=(3, 0))
